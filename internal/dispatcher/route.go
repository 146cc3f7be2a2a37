// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"errors"
	"fmt"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/routing"
)

// route takes one event from the log. It blocks while the window is full or no table is loaded,
// which holds back the reading.
func (d *Dispatcher) route(m eventlog.Message) {
	select {
	case <-d.loaded:
	case <-d.quit:
		return
	}
	msg, err := newMessage(m.Seq, m.Time, m.Data)
	if errors.Is(err, event.ErrRecordVersion) {
		d.fail(fmt.Errorf("read event %d: %w", m.Seq, err)) // the build that wrote it can deliver it
		return
	}
	table, ok := d.awaitRoom()
	if !ok {
		return // it stays in the log, above the floor
	}
	d.handled.Add(1)
	if err != nil {
		d.passOver(m, err)
		return
	}
	var wanted []*delivery.Subscription
	table.Match(msg.input, msg.event,
		func(s *delivery.Subscription) { wanted = append(wanted, s) },
		func(s *delivery.Subscription, err error) { d.filterFailed(s, msg, err) })

	d.mu.Lock()
	defer d.mu.Unlock()
	d.admit(msg, int64(eventlog.EventSize(msg.event.Namespace, len(m.Data))), wanted)
}

// awaitRoom waits until the window takes another event, and returns the routing table; false when the
// dispatcher stops.
func (d *Dispatcher) awaitRoom() (*routing.Table, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.window.full() && !d.stopping {
		d.room.Wait()
	}
	return d.table, !d.stopping
}

// passOver settles an event that no build can read: what is damaged on the disk must not hold up all that is
// behind it. It stays in the log for as long as settled events do.
func (d *Dispatcher) passOver(m eventlog.Message, err error) {
	d.metrics.unreadable.Inc()
	d.logger.Error("Failed to read event, delivering it to nobody", "sequence", m.Seq, "error", err)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.window.add(&entry{seq: m.Seq, read: time.Now()})
	d.signalFlush()
}

// filterFailed notes that a filter could not be evaluated on an event, which then does not match.
func (d *Dispatcher) filterFailed(s *delivery.Subscription, m *message, err error) {
	d.metrics.filterErrors.Inc()
	d.logger.Debug("Failed to evaluate filter", "subscription", s.Name.String(), "eventID", m.event.ID, "error", err)
}

// admit takes a routed event into the window and hands its tasks to their lanes. The caller holds
// the mutex.
func (d *Dispatcher) admit(m *message, size int64, wanted []*delivery.Subscription) {
	now := time.Now()
	e := &entry{seq: m.seq, namespace: m.event.Namespace, size: size, read: now}
	for _, spec := range wanted {
		s := d.subs[spec.Name]
		if s == nil || m.seq <= s.start || !s.takes(now, d.opts.Hold) {
			continue
		}
		if _, done := d.skip[pair{m.seq, s.name, delivery.KindEvent}]; done {
			continue
		}
		t := &task{sub: s, lane: s.lane, entry: e, message: m, seq: m.seq, accepted: m.accepted, queued: now}
		e.tasks = append(e.tasks, t)
		s.figures.Matched++
		s.pending++
		s.unrecorded++
		s.dirty, s.lane.dirty = true, true
	}
	e.left = len(e.tasks)
	e.flushes = d.carried[m.seq]
	delete(d.carried, m.seq)
	d.usage.read(m.seq, e)
	d.window.add(e)
	d.metrics.matched.Add(float64(e.left))
	for _, t := range e.tasks {
		d.place(t, now)
	}
	if e.left == 0 {
		d.signalFlush()
	}
}

// place decides where a fresh task waits: in its lane's queue, or in storage. The caller holds the
// mutex.
func (d *Dispatcher) place(t *task, now time.Time) {
	switch {
	case t.lane.disabled != nil && !t.sub.holds():
		d.kill(t, delivery.DeadEndpointDisabled, now)
	case t.lane.parks(t.sub, now):
		d.park(t, now)
	default:
		t.lane.queue.add(t)
		d.pump(t.lane, now)
	}
}

// park hands a queued task to storage. The caller holds the mutex.
func (d *Dispatcher) park(t *task, now time.Time) {
	r := t.record(t.id(t.kind()), now)
	r.Outcome = delivery.OutcomeParked
	t.recorded = true
	inFlight := t.state == taskInFlight
	if !inFlight {
		t.state = taskSettling
	}
	s := t.stored()
	s.InFlight = inFlight
	o := &op{task: t, record: r, store: s, stillInFlight: inFlight}
	if inFlight {
		t.parked = o
	}
	d.add(o)
}

// kill ends a task without an attempt. The caller holds the mutex.
func (d *Dispatcher) kill(t *task, reason delivery.DeadLetterReason, now time.Time) {
	r := t.record(t.id(t.kind()), now)
	d.bury(t, &r, reason, now)
}

// bury ends a task as a dead letter with the record of its last step. The caller holds the mutex.
func (d *Dispatcher) bury(t *task, r *delivery.Record, reason delivery.DeadLetterReason, now time.Time) {
	r.Outcome, r.DeadLetter = delivery.OutcomeDeadLettered, reason
	t.recorded, t.state = true, taskSettling
	o := &op{task: t}
	if t.kind() == delivery.KindEvent {
		o.dead = t.stored()
		o.dead.DeadLetter, o.dead.DeadAt = reason, now
		if r.Attempted {
			o.dead.LastReason, o.dead.LastStatus, o.dead.LastTime = r.Reason, r.StatusCode, r.Time
		}
		if spec := t.sub.spec; spec != nil && spec.DeadLetter != nil {
			o.forward = forwarded(o.dead, *spec.DeadLetter)
		}
	}
	o.record = *r
	d.logger.Info("Dead-lettered delivery", "subscription", t.sub.name.String(), "endpoint", t.lane.name.String(),
		"eventID", r.EventID, "deliveryID", r.DeliveryID, "attempt", r.Attempt, "reason", string(reason))
	d.add(o)
}

// forwarded is a dead letter on its way to a dead-letter endpoint.
func forwarded(dead *delivery.Stored, to delivery.Name) *delivery.Stored {
	f := *dead
	f.Kind, f.Endpoint, f.Attempts, f.Due = delivery.KindDeadLetter, to, 0, time.Time{}
	f.AcceptedAt = dead.DeadAt // its own age begins now
	f.DeadEndpoint, f.DeadAttempts = dead.Endpoint, dead.Attempts
	return &f
}

// pump starts workers for what a lane can send now. The caller holds the mutex.
func (d *Dispatcher) pump(l *lane, now time.Time) {
	for !d.stopping && l.endpoint != nil && l.workers < l.endpoint.Concurrency {
		t, wait := d.next(l, now)
		if t == nil {
			d.wakeIn(l, wait)
			return
		}
		l.workers++
		d.start(t)
		d.sends.Go(func() { d.work(l, t) })
	}
}

// start counts a task that leaves the backlog, and announces the probe that it may be. The caller holds the mutex.
func (d *Dispatcher) start(t *task) {
	d.probed(t)
	if t.waiting.seq != 0 {
		d.activate(t.waiting)
	}
}

// wakeIn looks at a lane again after the wait. The caller holds the mutex.
func (d *Dispatcher) wakeIn(l *lane, wait time.Duration) {
	if wait <= 0 || d.stopping {
		return
	}
	if l.wake == nil {
		l.wake = time.AfterFunc(wait, func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.pump(l, time.Now())
		})
		return
	}
	l.wake.Reset(wait)
}
