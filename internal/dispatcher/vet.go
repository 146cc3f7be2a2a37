// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"errors"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/egress"
)

// vetInterval is how often destinations are judged again: what a name resolves to changes.
const (
	vetInterval = time.Minute
	vetTick     = 100 * time.Millisecond
	vetTimeout  = 10 * time.Second
	vetWorkers  = 8
)

// vetLoop judges the destinations of endpoints when they are routed, and again every minute.
func (d *Dispatcher) vetLoop() {
	var vetted time.Time
	limit := make(chan struct{}, vetWorkers)
	d.every(vetTick, func(now time.Time) {
		again := now.Sub(vetted) >= vetInterval
		if again {
			vetted = now
		}
		d.mu.Lock()
		var due []*delivery.Endpoint
		for _, l := range d.lanes {
			if l.endpoint != nil && (again || !l.destinationChecked) {
				due = append(due, l.endpoint)
			}
		}
		d.mu.Unlock()
		for _, e := range due {
			limit <- struct{}{}
			d.loops.Go(func() {
				defer func() { <-limit }()
				d.vet(e)
			})
		}
		for range vetWorkers { // all of this turn have ended before the next begins
			limit <- struct{}{}
		}
		for range vetWorkers {
			<-limit
		}
	})
}

// vet judges one destination.
func (d *Dispatcher) vet(e *delivery.Endpoint) {
	ctx, cancel := context.WithTimeout(d.run, vetTimeout)
	defer cancel()
	err := d.opts.Sender.Vet(ctx, e)
	if d.run.Err() != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.lanes[e.Name]
	if l == nil || l.endpoint != e {
		return
	}
	d.logVerdict(l, err)
	if !l.destinationChecked || verdict(err) != verdict(l.destination) {
		l.destinationChecked, l.destination = true, err
		d.touch(l)
		d.signalReport()
	}
}

// logVerdict logs that a destination is refused, once until that changes, with the address: the tenant is
// told its class alone.
func (d *Dispatcher) logVerdict(l *lane, err error) {
	refusal, refused := errors.AsType[*egress.Refusal](err)
	switch last := l.refusal; {
	case refused && (last == nil || last.Class != refusal.Class || last.Host != refusal.Host):
		l.refusal = refusal
		d.logger.Warn("Refused destination", "endpoint", l.name.String(), "host", refusal.Host, "class", string(refusal.Class),
			"address", refusal.Addr.String())
	case err == nil && last != nil:
		l.refusal = nil
		d.logger.Info("Admitted destination", "endpoint", l.name.String())
	}
}

// verdict is what of a judgement shows: errors of DNS differ in detail from one look to the next.
func verdict(err error) string {
	var refusal *egress.Refusal
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refusal):
		return string(refusal.Class)
	}
	return "unresolved"
}
