// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"errors"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// usageKey is where the ledgers of what is settled are stored.
var usageKey = eventlog.StateKey{Kind: stateUsage}

// signalTrim has the trim loop look at once.
func (d *Dispatcher) signalTrim() {
	select {
	case d.trimSignal <- struct{}{}:
	default:
	}
}

// settledStream is a stream of which a namespace's settled messages can be trimmed.
type settledStream struct {
	name   string
	ledger *ledger
	trim   func(ctx context.Context, namespace string, below uint64) error
}

// settledStreams are those that a share counts.
func (d *Dispatcher) settledStreams() []settledStream {
	return []settledStream{
		{"events", d.usage.events, d.log.TrimEventsOf},
		{"dead_letters", d.usage.dead, d.log.TrimDeadLettersOf},
	}
}

// trimShares removes what is settled of the namespaces that hold more than their share, the oldest first.
func (d *Dispatcher) trimShares(ctx context.Context) error {
	var failed []error
	for namespace, share := range d.aboveShare() {
		if err := d.trimShare(ctx, namespace, share); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// aboveShare are the namespaces that hold more than their share, and have something that is settled.
func (d *Dispatcher) aboveShare() map[string]int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	above := map[string]int64{}
	if !d.usage.caughtUp {
		return above
	}
	for _, s := range d.settledStreams() {
		for namespace := range s.ledger.totals {
			if share := d.opts.Share(namespace); d.usage.bytes[namespace]+d.usage.settled(namespace) > share {
				above[namespace] = share
			}
		}
	}
	return above
}

// trimShare removes the oldest that is settled of a namespace, a span after the other, until it holds a little
// less than its share, or nothing that is settled.
func (d *Dispatcher) trimShare(ctx context.Context, namespace string, share int64) error {
	for trimmed := map[string]holding{}; ; {
		d.mu.Lock()
		s, last := d.oldestSettled(namespace)
		enough := d.usage.bytes[namespace]+d.usage.settled(namespace) <= share-slackOf(share)
		d.mu.Unlock()
		if enough || last == 0 {
			d.logger.Info("Trimmed what is settled above the share of a namespace", "namespace", namespace, "share", share,
				"events", trimmed["events"].Messages, "deadLetters", trimmed["dead_letters"].Messages,
				"bytes", trimmed["events"].plus(trimmed["dead_letters"]).Bytes)
			return nil
		}
		if err := s.trim(ctx, namespace, last+1); err != nil {
			return err
		}
		d.mu.Lock()
		dropped := s.ledger.drop(namespace, last)
		d.mu.Unlock()
		trimmed[s.name] = trimmed[s.name].plus(dropped)
		d.metrics.trimmed.WithLabelValues(s.name, fullShare).Add(float64(dropped.Messages))
	}
}

// oldestSettled is the stream with the oldest span in which a namespace has something that is settled, and the
// last sequence of the span; 0 when there is none. The caller holds the mutex.
func (d *Dispatcher) oldestSettled(namespace string) (oldest settledStream, last uint64) {
	var first *span
	for _, s := range d.settledStreams() {
		if found := s.ledger.oldest(namespace); found != nil && (first == nil || found.Since.Before(first.Since)) {
			oldest, first = s, found
		}
	}
	if first == nil {
		return oldest, 0
	}
	return oldest, first.Last
}

// catchUp makes the ledgers complete: what earlier runs stored of them, what those runs did not come to store,
// and what this run has counted meanwhile.
func (d *Dispatcher) catchUp(ctx context.Context) error {
	d.mu.Lock()
	u := &d.usage
	earlier, floor, dead, done := u.earlier, u.floorAtStart, u.deadAtStart, u.caughtUp
	d.mu.Unlock()
	if done {
		return nil
	}
	events, err := d.completed(ctx, earlier.Events, floor, d.log.FirstEvent, d.log.EventSizes)
	if err != nil {
		return err
	}
	deadLetters, err := d.completed(ctx, earlier.Dead, dead, d.log.FirstDeadLetter, d.log.DeadLetterSizes)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	events.join(u.events)
	deadLetters.join(u.dead)
	u.events, u.dead, u.caughtUp, u.earlier = events, deadLetters, true, ledgers{}
	return nil
}

// completed is a ledger as an earlier run stored it, nil for none, with what its stream holds up to a sequence.
func (d *Dispatcher) completed(
	ctx context.Context, stored *ledger, to uint64, first func(context.Context) (uint64, error),
	read func(ctx context.Context, from, to uint64, handle func(eventlog.Size)) error,
) (*ledger, error) {
	l := newLedger(d.log.MaxBytes())
	if stored != nil && stored.Counted <= to { // otherwise it is of another volume
		l.restore(stored)
	}
	begin, err := first(ctx)
	if err != nil {
		return nil, err
	}
	l.cut(begin)
	err = read(ctx, max(l.Counted+1, begin), to, func(m eventlog.Size) { l.add(m.Seq, m.Namespace, m.Bytes, m.Time) })
	return l, err
}

// saveUsage stores the ledgers. What fails is tried again the next time; nothing else waits for it.
func (d *Dispatcher) saveUsage() {
	d.mu.Lock()
	if !d.usage.caughtUp {
		d.mu.Unlock()
		return
	}
	value := encode(ledgers{d.usage.events, d.usage.dead})
	d.mu.Unlock()
	if err := d.putState(map[eventlog.StateKey][]byte{usageKey: value}); err != nil {
		d.logger.Warn("Failed to store usage, trying again", "error", err)
	}
}
