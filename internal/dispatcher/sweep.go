// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

const (
	// windowInterval is how often the window and the queues are looked at for what waits too long.
	windowInterval = 250 * time.Millisecond
	// sweepInterval is how often waiting deliveries are looked at for their age, and deleted objects
	// for the end of their hold.
	sweepInterval = 5 * time.Second
	// sweepBatch bounds the waiting deliveries that are ended at once, since each is loaded.
	sweepBatch = 500
)

// sweepLoop ends and parks what time has run out for.
func (d *Dispatcher) sweepLoop() {
	var swept time.Time
	d.every(windowInterval, func(now time.Time) {
		d.relieve(now)
		d.mu.Lock()
		due := d.sweepNow || now.Sub(swept) >= sweepInterval
		d.sweepNow = false
		d.mu.Unlock()
		if due {
			swept = now
			d.sweep(now)
		}
	})
}

// signalSweep has the next turn of the sweep loop look at everything. The caller holds the mutex.
func (d *Dispatcher) signalSweep() { d.sweepNow = true }

// relieve parks what keeps the window from settling: the queues of slow lanes, and what is in flight
// for too long.
func (d *Dispatcher) relieve(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.lanes {
		if head := l.queue.peek(); head != nil && now.Sub(head.queued) > congested {
			d.parkQueue(l, func(*task) bool { return true }, now)
		}
	}
	d.window.overdue(now, d.opts.MaxUnsettled, func(e *entry) {
		for _, t := range e.tasks {
			if t.state == taskInFlight && !t.recorded {
				d.park(t, now)
			}
		}
	})
}

// sweep ends the waiting deliveries whose time is over, a batch after the other.
func (d *Dispatcher) sweep(now time.Time) {
	for {
		batch := d.overdue(now)
		for _, x := range batch {
			d.end(x, now)
		}
		if len(batch) < sweepBatch {
			return
		}
		select {
		case <-d.done:
			return
		default:
		}
	}
}

// ending is a waiting delivery that is to be ended, and why.
type ending struct {
	lane   *lane
	w      waiting
	reason delivery.DeadLetterReason
}

// overdue takes a batch of what is to be ended out of the lanes, and forgets objects that are gone
// and have nothing left.
func (d *Dispatcher) overdue(now time.Time) []ending {
	d.mu.Lock()
	defer d.mu.Unlock()
	var batch []ending
	room := min(sweepBatch, maxUnrecorded-len(d.ops))
	if room < sweepBatch {
		d.signalSweep() // the flusher is behind: the next turn goes on
	}
	if !d.scanned || d.table == nil || d.stopping || room <= 0 {
		return nil
	}
	for _, l := range d.lanes {
		take := func(w waiting) bool {
			reason := d.reasonToEnd(l, w, now)
			if reason == "" || len(batch) >= room {
				return false
			}
			batch = append(batch, ending{l, w, reason})
			d.activate(w)
			return true
		}
		l.backlog.extract(take)
		for s, held := range l.held {
			b := backlog(held)
			b.extract(take)
			if l.held[s] = b; len(b) == 0 {
				delete(l.held, s)
			}
		}
	}
	d.forget(now)
	return batch
}

// reasonToEnd says why a waiting delivery is to be ended now; empty when it is not.
func (d *Dispatcher) reasonToEnd(l *lane, w waiting, now time.Time) delivery.DeadLetterReason {
	kind := delivery.KindEvent
	if w.isDeadLetter() {
		kind = delivery.KindDeadLetter
	}
	age := d.policyOf(w.sub, kind).MaxAge
	switch {
	case age > 0 && now.Sub(w.acceptedAt()) > age:
		return delivery.DeadExpired
	case l.disabled != nil:
		return delivery.DeadEndpointDisabled
	case l.endpoint == nil && !l.gone.IsZero() && now.Sub(l.gone) >= d.opts.Hold:
		return delivery.DeadEndpointDeleted
	case !w.isDeadLetter() && w.sub.spec == nil && !w.sub.gone.IsZero() && now.Sub(w.sub.gone) >= d.opts.Hold:
		return delivery.DeadSubscriptionDeleted
	}
	return ""
}

// end loads a waiting delivery and makes a dead letter of it.
func (d *Dispatcher) end(x ending, now time.Time) {
	t := &task{sub: x.w.sub, lane: x.lane, state: taskInFlight, waiting: x.w, recorded: true}
	m, err := d.log.Waiting(d.storing, x.w.seq)
	var s *delivery.Stored
	if err == nil {
		s, err = delivery.DecodeStored(m.Data)
	}
	if err == nil {
		t.seq, t.accepted, t.attempts, t.last = s.EventSeq, s.AcceptedAt, s.Attempts, s
		t.message, err = newMessage(s.EventSeq, s.AcceptedAt, s.Event)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		if !errors.Is(err, eventlog.ErrUnavailable) {
			d.logger.Error("Failed to read waiting delivery", "sequence", x.w.seq, "error", err)
		}
		d.deactivate(x.w)
		x.w.due = now.Add(time.Minute).UnixMilli()
		d.shelveAt(x.lane, x.w)
		return
	}
	d.kill(t, x.reason, now)
}

// forget drops the state of objects that are gone for longer than the hold and have nothing left.
func (d *Dispatcher) forget(now time.Time) {
	over := func(gone time.Time) bool { return !gone.IsZero() && now.Sub(gone) >= d.opts.Hold }
	for name, s := range d.subs {
		if s.spec == nil && s.invalid == nil && over(s.gone) && s.pending == 0 && !d.busy(s) {
			d.forgetSubscription(name, s)
		}
	}
	for name, l := range d.lanes {
		if l.endpoint == nil && l.invalid == nil && over(l.gone) && l.idle() {
			d.forgetLane(name, l)
		}
	}
}

// forgetSubscription drops a subscription.
func (d *Dispatcher) forgetSubscription(name delivery.Name, s *subscription) {
	if s.lane != nil {
		delete(s.lane.subs, s)
	}
	d.metrics.retire(s.figures)
	delete(d.subs, name)
	delete(d.restored.positions, name)
	d.removals = append(d.removals, positionKey(name), figuresKey(stateSubscriptionFigures, name))
}

// idle reports whether nothing refers to the lane.
func (l *lane) idle() bool {
	return len(l.subs) == 0 && l.workers == 0 && len(l.backlog) == 0 && len(l.held) == 0 && l.queue.len() == 0
}

// forgetLane drops an endpoint's lane, and its circuit when that is its alone.
func (d *Dispatcher) forgetLane(name delivery.Name, l *lane) {
	if l.circuit != nil {
		delete(l.circuit.lanes, l)
		if len(l.circuit.lanes) == 0 {
			delete(d.circuits, l.circuit.key)
			d.removals = append(d.removals, l.circuit.key.stateKey())
		}
	}
	own := circuitKey{name.Namespace, name.Name, false}
	if _, stored := d.restored.circuits[own]; stored { // no endpoint has come for it since the start
		delete(d.restored.circuits, own)
		d.removals = append(d.removals, own.stateKey())
	}
	delete(d.lanes, name)
	delete(d.restored.endpoints, name)
	d.removals = append(d.removals, eventlog.StateKey{Kind: stateEndpoint, Namespace: name.Namespace, Name: name.Name},
		figuresKey(stateEndpointFigures, name))
}

// busy reports whether a dead letter of the subscription is on its way to a dead-letter endpoint.
func (d *Dispatcher) busy(s *subscription) bool {
	for _, l := range d.lanes {
		for _, w := range l.backlog {
			if w.sub == s {
				return true
			}
		}
	}
	return false
}

// removeState removes the small state of what was forgotten, and has not come back since. It takes
// turns with Load and with the storing of state, so that it never removes what was stored anew.
func (d *Dispatcher) removeState() {
	d.mu.Lock()
	none := len(d.removals) == 0
	d.mu.Unlock()
	if none {
		return
	}
	ctx, cancel := context.WithTimeout(d.storing, storeTimeout)
	defer cancel()
	d.loading.Lock()
	defer d.loading.Unlock()
	d.mu.Lock()
	keys := slices.DeleteFunc(d.removals, d.remembered)
	d.removals = nil
	d.mu.Unlock()
	for _, k := range keys {
		if err := d.log.RemoveState(ctx, k); err != nil {
			d.logger.Warn("Failed to remove state", "key", k.String(), "error", err)
		}
	}
}

// remembered reports whether there is an object again that a key of the small state is about. The
// caller holds the mutex.
func (d *Dispatcher) remembered(k eventlog.StateKey) bool {
	name := delivery.Name{Namespace: k.Namespace, Name: k.Name}
	switch k.Kind {
	case statePosition, stateSubscriptionFigures:
		return d.subs[name] != nil
	case stateEndpoint, stateEndpointFigures:
		return d.lanes[name] != nil
	}
	return d.circuits[circuitKey{k.Namespace, k.Name, k.Kind == stateHost}] != nil
}
