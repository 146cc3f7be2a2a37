// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/deliverylog"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

const (
	// flushDelay is how long the flusher gathers after the first step of a flush. It bounds the
	// duplicates after a crash: what was answered within it may be sent again.
	flushDelay = 3 * time.Millisecond
	// maxFlushRecords and maxFlushBytes bound one flush: it is one message, and the largest that the log takes has
	// 4 MiB. 1,000 records with answers of 1,000 bytes are half of that, but ids and types may take 16 KiB each.
	maxFlushRecords = 1_000
	maxFlushBytes   = 2 << 20
)

// op is one step of a delivery on its way into the log.
type op struct {
	// task is whose step it is; nil for a record that recovery makes up for one that was lost.
	task   *task
	record delivery.Record
	// store is the waiting delivery that follows, dead the dead letter, forward the dead letter's
	// delivery to a dead-letter endpoint.
	store, dead, forward *delivery.Stored
	// stillInFlight says that the task goes on: its request is under way, and only its event settles.
	stillInFlight bool

	storeAck, deadAck, forwardAck eventlog.Ack
	storeSeq, forwardSeq, deadSeq uint64
	storeSize, forwardSize        int
	deadSize                      int
	// settledEntry is the task's entry at the time of the flush.
	settledEntry *entry
}

// add hands a step to the flusher. The caller holds the mutex.
func (d *Dispatcher) add(o *op) {
	d.ops = append(d.ops, o)
	d.signalFlush()
}

// signalFlush wakes the flusher.
func (d *Dispatcher) signalFlush() {
	select {
	case d.flushSignal <- struct{}{}:
	default:
	}
}

// checkpoint is what the flusher knows of the log.
type checkpoint struct {
	// seq is the shard's last flush.
	seq uint64
	// floor is the floor that it holds.
	floor                       uint64
	lastWaiting, lastDeadLetter uint64
}

// flushLoop records steps until the dispatcher closes, and what is left then.
func (d *Dispatcher) flushLoop(c checkpoint) {
	defer close(d.recordedAll)
	for {
		select {
		case <-d.flushSignal:
			time.Sleep(flushDelay) // gathers; the signal alone says that there is something
		case <-d.done:
			d.flushAll(&c)
			return
		}
		if !d.flush(&c) {
			return
		}
	}
}

// flushAll records until nothing is left.
func (d *Dispatcher) flushAll(c *checkpoint) {
	for {
		d.mu.Lock()
		left := len(d.ops)
		d.mu.Unlock()
		if !d.flush(c) || left == 0 {
			return
		}
	}
}

// flush records the steps that were gathered: first what must survive, then the records with the
// floor that includes them, and only then their traces are removed. It reports whether the shard is
// still ours.
func (d *Dispatcher) flush(c *checkpoint) bool {
	ops := d.gathered()
	again := false
	if err := d.persist(func(ctx context.Context) error {
		if again {
			if err := d.adopt(ctx, c, ops); err != nil {
				return err
			}
		}
		again = true
		return d.storeAll(ctx, ops)
	}); err != nil {
		d.fail(err)
		return false
	}
	f, settled := d.compose(c, ops)
	if f == nil {
		return true
	}
	if err := d.persist(func(ctx context.Context) error {
		seq, err := d.attempts.Append(ctx, shard, c.seq, f)
		if err == nil {
			c.seq = seq
			return nil
		}
		return d.wasStored(ctx, c, f, err)
	}); err != nil {
		d.fail(err)
		return false
	}
	c.floor, c.lastWaiting, c.lastDeadLetter = f.Floor, f.LastWaiting, f.LastDeadLetter
	removed := d.recorded(c.seq, ops, settled)
	d.remove(c.seq, removed)
	return true
}

// gathered takes the steps of the next flush: as many as it may hold, and one at least.
func (d *Dispatcher) gathered() []*op {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for bytes := 0; n < min(len(d.ops), maxFlushRecords); n++ {
		if bytes += recordBytes(&d.ops[n].record); bytes > maxFlushBytes && n > 0 {
			break
		}
	}
	ops := d.ops[:n:n]
	if d.ops = d.ops[n:]; len(d.ops) > 0 {
		d.signalFlush()
	} else {
		d.ops = nil
	}
	return ops
}

// recordBytes is how many bytes of a flush a record takes at most.
func recordBytes(r *delivery.Record) int {
	return recordOverhead + len(r.Subscription.Namespace) + len(r.Subscription.Name) + len(r.Endpoint.Namespace) + len(r.Endpoint.Name) +
		len(r.EventID) + len(r.EventType) + len(r.DeliveryID) + len(r.Message) + len(r.Response)
}

// recordOverhead is what the numbers of a record, the texts of a closed set and the heads of all fields take at
// most.
const recordOverhead = 256

// wasStored tells a flush that was stored though its acknowledgement was lost from another owner's.
func (d *Dispatcher) wasStored(ctx context.Context, c *checkpoint, f *deliverylog.Flush, cause error) error {
	if !errors.Is(cause, eventlog.ErrFenced) {
		return cause
	}
	last, seq, err := d.attempts.Last(ctx, shard)
	if err != nil {
		return err
	}
	if seq > c.seq && last.Equal(f) {
		c.seq = seq
		return nil
	}
	return backoff.Permanent(cause)
}

// persist tries until it succeeds: what was delivered must be recorded, and no error but a lost
// shard makes that pointless. While it waits the window stays closed, and producers are refused.
func (d *Dispatcher) persist(try func(context.Context) error) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 10*time.Millisecond, time.Second
	_, err := backoff.Retry(d.storing, func() (struct{}, error) {
		return struct{}{}, try(d.storing)
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, _ time.Duration) {
		d.metrics.flushErrors.Inc()
		d.logger.Warn("Failed to store outcomes, trying again", "error", err)
	}))
	return err
}

// storeAll stores what must survive. What is known to be stored is not stored again.
func (d *Dispatcher) storeAll(ctx context.Context, ops []*op) error {
	for _, o := range ops {
		if o.store != nil && o.storeSeq == 0 {
			data := o.store.Append(nil)
			o.storeSize, o.storeAck = waitingSize(o.store, len(data)), d.log.StoreWaiting(placeOf(o.store), data)
		}
		if o.forward != nil && o.forwardSeq == 0 {
			data := o.forward.Append(nil)
			o.forwardSize, o.forwardAck = waitingSize(o.forward, len(data)), d.log.StoreWaiting(placeOf(o.forward), data)
		}
	}
	var failed error
	for _, o := range ops {
		if o.store != nil && o.storeSeq == 0 {
			o.storeSeq, failed = wait(ctx, o.storeAck, failed)
		}
		if o.forward != nil && o.forwardSeq == 0 {
			o.forwardSeq, failed = wait(ctx, o.forwardAck, failed)
		}
	}
	if failed != nil {
		return failed
	}
	return d.storeDead(ctx, ops)
}

// storeDead stores the dead letters.
func (d *Dispatcher) storeDead(ctx context.Context, ops []*op) error {
	for _, o := range ops {
		if o.dead != nil {
			data := o.dead.Append(nil)
			o.deadSize, o.deadAck = len(data), d.log.StoreDeadLetter(placeOf(o.dead), data)
		}
	}
	var failed error
	for _, o := range ops {
		if o.dead == nil {
			continue
		}
		seq, err := wait(ctx, o.deadAck, nil)
		if err != nil {
			failed = err
			continue
		}
		d.deadStored(seq, o, o.dead, o.deadSize)
	}
	return failed
}

// deadStored notes a step's dead letter that is stored.
func (d *Dispatcher) deadStored(seq uint64, o *op, s *delivery.Stored, size int) {
	o.dead, o.deadSeq = nil, seq
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lastDead = max(d.lastDead, seq)
	d.usage.dead.add(seq, s.Subscription.Namespace, eventlog.DeadLetterSize(placeOf(s), size), s.DeadAt)
}

// wait awaits one acknowledgement; the first error of several is kept.
func wait(ctx context.Context, a eventlog.Ack, failed error) (uint64, error) {
	seq, err := a.Wait(ctx)
	if failed == nil {
		failed = err
	}
	return seq, failed
}

// waitingSize is what a waiting delivery takes of the storage, by the length of its data.
func waitingSize(s *delivery.Stored, data int) int { return eventlog.WaitingSize(placeOf(s), data) }

// placeOf is where a stored delivery belongs.
func placeOf(s *delivery.Stored) eventlog.Place {
	return eventlog.Place{
		Namespace: s.Subscription.Namespace, Subscription: s.Subscription.Name,
		EndpointNamespace: s.Endpoint.Namespace, EndpointName: s.Endpoint.Name,
	}
}

// compose makes the flush of the steps, and takes the events that they settle out of the window. It
// returns nil when there is nothing to record.
func (d *Dispatcher) compose(c *checkpoint, ops []*op) (*deliverylog.Flush, []*entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := &deliverylog.Flush{
		ScanFrom: d.live.oldest(), LastWaiting: c.lastWaiting, LastDeadLetter: c.lastDeadLetter,
		Records: make([]delivery.Record, len(ops)),
	}
	madeUp := d.madeUp
	for i, o := range ops {
		f.Records[i] = o.record
		f.LastWaiting = max(f.LastWaiting, o.storeSeq, o.forwardSeq)
		f.LastDeadLetter = max(f.LastDeadLetter, o.deadSeq)
		if o.task == nil {
			madeUp--
		}
		if o.task != nil && o.task.entry != nil {
			o.settledEntry, o.task.entry = o.task.entry, nil
			d.window.recorded(o.settledEntry)
			d.composed = append(d.composed, o.task)
		}
	}
	var settled []*entry
	if madeUp == 0 { // otherwise a later flush has the records of some events and dead letters that this one would name
		f.LastDeadLetter = max(f.LastDeadLetter, d.lastDead)
		settled = d.window.settle()
	}
	f.Floor = d.window.floor
	if len(ops) == 0 && f.Floor == c.floor {
		return nil, nil
	}
	return f, settled
}

// recorded takes over what a stored flush means, and returns the waiting deliveries to remove.
func (d *Dispatcher) recorded(seq uint64, ops []*op, settled []*entry) []uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	var remove []uint64
	for _, o := range ops {
		if e := o.settledEntry; e != nil && e.seq > d.window.floor {
			e.flushes = append(e.flushes, seq)
			d.live.hold(seq, 1)
		}
		if o.task != nil {
			if replaced := d.replace(o); replaced != 0 {
				remove = append(remove, replaced)
			}
		} else {
			d.madeUp--
			d.carry(o.record.EventSeq, seq)
		}
		d.forwarded(o)
	}
	d.live.hold(seq, len(remove))
	for _, e := range settled {
		for _, f := range e.flushes {
			d.live.release(f, 1)
		}
		d.usage.settle(e)
	}
	d.flushed, d.storedFloor, d.composed = seq, d.window.floor, nil
	d.room.Broadcast()
	d.resume()
	return remove
}

// carry holds a flush with a made-up record until the floor has passed its event.
func (d *Dispatcher) carry(event, flush uint64) {
	if event <= d.window.floor {
		return
	}
	d.live.hold(flush, 1)
	if e := d.window.find(event); e != nil {
		e.flushes = append(e.flushes, flush)
		return
	}
	d.carried[event] = append(d.carried[event], flush)
}

// replace moves a task to where its recorded step has put it, and returns the waiting delivery whose
// place that takes; 0 for none.
func (d *Dispatcher) replace(o *op) uint64 {
	t, before := o.task, o.task.waiting
	if t.parked == o {
		t.parked = nil
	}
	t.sub.figures.apply(&o.record, false)
	if o.record.First {
		t.sub.unrecorded--
	}
	t.lane.figures.apply(&o.record, true)
	t.sub.dirty, t.lane.dirty = true, true
	deadLetter := t.kind() == delivery.KindDeadLetter
	if before.seq != 0 {
		d.usage.add(t.sub.name.Namespace, -before.size())
		d.deactivate(before)
	}
	switch {
	case o.store != nil:
		w := newWaiting(o.storeSeq, o.store.Due, t.accepted, o.storeSize, deadLetter, t.sub)
		d.usage.add(t.sub.name.Namespace, w.size())
		if o.stillInFlight {
			t.waiting = w
			d.activate(w)
		} else {
			d.shelveAt(t.lane, w)
		}
	case !deadLetter:
		t.sub.pending--
		d.metrics.ended(&o.record)
	}
	return before.seq
}

// forwarded puts the delivery of a dead letter to a dead-letter endpoint where it waits.
func (d *Dispatcher) forwarded(o *op) {
	if o.forward == nil {
		return
	}
	w := newWaiting(o.forwardSeq, time.Time{}, o.forward.AcceptedAt, o.forwardSize, true, o.task.sub)
	d.usage.add(o.task.sub.name.Namespace, w.size())
	d.shelveAt(d.laneOf(o.forward.Endpoint), w)
}

// shelveAt puts a stored delivery where it waits: in the lane given for the delivery of a dead letter,
// and otherwise in the one that the subscription names now, which may have changed while the delivery
// was in flight. The caller holds the mutex.
func (d *Dispatcher) shelveAt(l *lane, w waiting) {
	if w.isDeadLetter() {
		l = d.laneOf(l.name) // it may have been forgotten meanwhile
	} else {
		l = w.sub.lane
	}
	if w.sub.holds() && !w.isDeadLetter() {
		l.held[w.sub] = append(l.held[w.sub], w)
		return
	}
	l.backlog.add(w)
	d.pump(l, time.Now())
}
