// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/deliverylog"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// Kinds of small state.
const (
	statePosition = "position"
	stateCircuit  = "circuit"
	stateHost     = "host-circuit"
	stateEndpoint = "endpoint"
	stateCounters = "counters"
	stateUsage    = "usage"

	stateSubscriptionFigures = "subscription-figures"
	stateEndpointFigures     = "endpoint-figures"
)

// restored is the small state of earlier runs, until the objects that it is about are loaded.
type restored struct {
	positions map[delivery.Name]position
	circuits  map[circuitKey]breaker.Snapshot
	endpoints map[delivery.Name]endpointState
	counters  counters
	usage     ledgers
}

// newRestored holds nothing yet.
func newRestored() restored {
	return restored{
		positions: map[delivery.Name]position{}, circuits: map[circuitKey]breaker.Snapshot{},
		endpoints: map[delivery.Name]endpointState{},
		counters:  counters{subscriptions: map[delivery.Name]storedFigures{}, endpoints: map[delivery.Name]storedFigures{}},
	}
}

// position is where a subscription begins, and since when it is gone, if it is.
type position struct {
	UID   string    `json:"uid"`
	Start uint64    `json:"start"`
	Gone  time.Time `json:"gone,omitzero"`
}

// endpointState is what an endpoint keeps across restarts, its circuit apart.
type endpointState struct {
	Disabled      *disabled `json:"disabled,omitempty"`
	FailingSince  time.Time `json:"failingSince,omitzero"`
	HandledEnable string    `json:"handledEnable,omitempty"`
	// Gone is since when it is gone; zero while it is there.
	Gone time.Time `json:"gone,omitzero"`
}

// done is what the flushes show as recorded of a pair.
type done struct {
	attempts int
	ended    bool
}

// recovery gathers what the log shows of the last run.
type recovery struct {
	floor                       uint64
	lastWaiting, lastDeadLetter uint64
	// storedWaiting and storedDeadLetter are the newest that are there.
	storedWaiting, storedDeadLetter uint64
	// lastEvent is the newest event that a dropped flush names.
	lastEvent uint64
	// recorded holds the pairs of the flushes since ScanFrom.
	recorded map[pair]done
	// late holds the pairs whose waiting delivery is stored behind the last flush, and dead those with
	// a dead letter there.
	late map[pair]lateStep
	dead map[pair]struct{}
}

// lateStep is the newest waiting delivery of a pair that is stored behind the last flush.
type lateStep struct {
	attempts int
	seq      uint64
}

// recover reads where the last run stopped.
func (d *Dispatcher) recover(ctx context.Context) (checkpoint, error) {
	if err := d.restore(ctx); err != nil {
		return checkpoint{}, err
	}
	r := &recovery{recorded: map[pair]done{}, late: map[pair]lateStep{}, dead: map[pair]struct{}{}}
	c, err := d.readFlushes(ctx, r)
	if err != nil {
		return c, err
	}
	d.window.floor = c.floor
	d.skip = map[pair]struct{}{}
	for p := range r.recorded {
		if p.seq > c.floor {
			d.skip[p] = struct{}{}
		}
	}
	if err := d.readLateDeadLetters(ctx, r); err != nil {
		return c, err
	}
	if err := d.readLateWaiting(ctx, r); err != nil {
		return c, err
	}
	if err := d.skipEvents(ctx, r); err != nil {
		return c, err
	}
	if d.usage.lastAtStart, err = d.log.LastEvent(ctx); err != nil {
		return c, err
	}
	if d.scanTo, err = d.log.LastWaiting(ctx); err != nil {
		return c, err
	}
	d.usage.floorAtStart, d.usage.deadAtStart = c.floor, d.lastDead
	d.usage.earlier, d.restored.usage, d.restored.counters = d.restored.usage, ledgers{}, counters{}
	d.pendingRecovery = r
	d.logger.Info("Recovered position", "floor", c.floor, "flush", c.seq, "settledAboveFloor", len(r.recorded),
		"unrecordedWaiting", len(r.late), "unrecordedDeadLetters", len(r.dead))
	return c, nil
}

// restore reads the small state.
func (d *Dispatcher) restore(ctx context.Context) error {
	state, err := d.log.State(ctx)
	if err != nil {
		return err
	}
	d.restored = newRestored()
	for key, value := range state {
		if err := d.restored.set(key, value); err != nil {
			return fmt.Errorf("decode state %s: %w", key, err)
		}
	}
	return nil
}

// set takes one value of the small state.
func (r *restored) set(key eventlog.StateKey, value []byte) error {
	name := delivery.Name{Namespace: key.Namespace, Name: key.Name}
	switch key.Kind {
	case statePosition:
		return decodeInto(value, r.positions, name)
	case stateEndpoint:
		return decodeInto(value, r.endpoints, name)
	case stateCircuit:
		return decodeInto(value, r.circuits, circuitKey{key.Namespace, key.Name, false})
	case stateHost:
		return decodeInto(value, r.circuits, circuitKey{key.Namespace, key.Name, true})
	case stateCounters:
		return r.counters.set(value)
	case stateSubscriptionFigures:
		return decodeInto(value, r.counters.subscriptions, name)
	case stateEndpointFigures:
		return decodeInto(value, r.counters.endpoints, name)
	case stateUsage:
		return decode(value, &r.usage)
	}
	return nil // of a later release
}

// readFlushes reads the last flush and those that it names, and restores the counts.
func (d *Dispatcher) readFlushes(ctx context.Context, r *recovery) (checkpoint, error) {
	d.restoreCounts()
	var last *deliverylog.Flush
	var seq uint64
	err := d.dropOutlived(ctx, r)
	if err == nil {
		last, seq, err = d.attempts.Last(ctx, shard)
	}
	if errors.Is(err, eventlog.ErrNotFound) { // a new volume, or one whose first flushes were dropped
		d.clampCounts(0)
		d.scanFrom = 1
		d.live.hold(d.scanFrom, 1)
		return checkpoint{}, nil
	}
	if err != nil {
		return checkpoint{}, err
	}
	r.clampToStored(last)
	c := checkpoint{seq: seq, floor: last.Floor, lastWaiting: last.LastWaiting, lastDeadLetter: last.LastDeadLetter}
	r.floor, r.lastWaiting, r.lastDeadLetter = last.Floor, last.LastWaiting, last.LastDeadLetter
	d.lastDead, d.flushed, d.storedFloor = last.LastDeadLetter, seq, last.Floor
	d.clampCounts(seq)
	d.countersFlush = d.restored.counters.mark
	scanFrom := seq
	if last.ScanFrom != 0 {
		scanFrom = last.ScanFrom
	}
	d.scanFrom = scanFrom
	d.live.hold(scanFrom, 1)
	err = d.attempts.Scan(ctx, shard, min(scanFrom, d.countersFlush+1), func(seq uint64, f *deliverylog.Flush) {
		for i := range f.Records {
			record := &f.Records[i]
			if seq >= scanFrom {
				r.note(record)
				if record.EventSeq > last.Floor {
					// Until the floor passes it, the next restart needs this flush too.
					d.carried[record.EventSeq] = append(d.carried[record.EventSeq], seq)
					d.live.hold(seq, 1)
				}
			}
			d.countRestored(seq, record)
		}
	})
	return c, err
}

// note takes one record.
func (r *recovery) note(record *delivery.Record) {
	p := pair{record.EventSeq, record.Subscription, record.Kind}
	known := r.recorded[p]
	known.attempts = max(known.attempts, record.Attempt)
	if record.Outcome == delivery.OutcomeDelivered || record.Outcome == delivery.OutcomeDeadLettered {
		known.ended = true
	}
	r.recorded[p] = known
}

// readLateDeadLetters finds the dead letters that are stored without a flush that names them. Their
// records are made up: a pair that ended must stay ended.
func (d *Dispatcher) readLateDeadLetters(ctx context.Context, r *recovery) error {
	return d.log.ScanDeadLetters(ctx, r.lastDeadLetter+1, func(m eventlog.Message) {
		s, err := delivery.DecodeStored(m.Data)
		if err != nil {
			d.unreadable(m.Seq, err)
			return
		}
		d.lastDead = max(d.lastDead, m.Seq)
		p := pairOf(s)
		if _, known := r.dead[p]; known || r.recorded[p].ended {
			return
		}
		r.dead[p] = struct{}{}
		d.makeUp(r, s, &op{deadSeq: m.Seq}, delivery.OutcomeDeadLettered)
	})
}

// readLateWaiting finds the waiting deliveries that are stored without a flush that names them.
func (d *Dispatcher) readLateWaiting(ctx context.Context, r *recovery) error {
	return d.log.ScanWaiting(ctx, r.lastWaiting+1, math.MaxUint64, func(m eventlog.Message) {
		s, err := delivery.DecodeStored(m.Data)
		if err != nil {
			d.unreadable(m.Seq, err)
			return
		}
		p := pairOf(s)
		known, again := r.late[p]
		if known.attempts > s.Attempts {
			return
		}
		_, ended := r.dead[p]
		if ended || r.recorded[p].ended {
			return
		}
		r.late[p] = lateStep{s.Attempts, m.Seq}
		if s.Kind == delivery.KindEvent && !again {
			outcome := delivery.OutcomeParked
			if s.Attempts > 0 {
				outcome = delivery.OutcomeRetry
			}
			d.makeUp(r, s, &op{storeSeq: m.Seq}, outcome)
		}
	})
}

// makeUp records a step whose own record was lost between the storing of what follows from it and
// the flush. How the attempt went is lost; that it was made is not. o has the sequence of what was stored.
func (d *Dispatcher) makeUp(r *recovery, s *delivery.Stored, o *op, outcome delivery.Outcome) {
	e, err := event.DecodeRecord(s.Event)
	if err != nil {
		d.unreadable(max(o.storeSeq, o.deadSeq), err)
		return
	}
	p := pairOf(s)
	o.record = delivery.Record{
		EventSeq: s.EventSeq, Subscription: s.Subscription, Kind: s.Kind, Endpoint: s.Endpoint,
		EventID: e.ID, EventType: e.Type, DeliveryID: delivery.ID(e, s.Subscription, s.Kind),
		First: s.EventSeq > r.floor && !r.seen(p), Attempt: s.Attempts, Time: time.Now(), Outcome: outcome,
		StatusCode: s.LastStatus, Reason: s.LastReason, DeadLetter: s.DeadLetter, NextAttempt: s.Due,
	}
	d.skip[p] = struct{}{}
	sub, l := d.sub(s.Subscription), d.laneOf(s.Endpoint)
	sub.figures.apply(&o.record, true)
	l.figures.apply(&o.record, true)
	d.madeUp++
	d.add(o)
}

// seen reports whether a flush holds a record of the pair.
func (r *recovery) seen(p pair) bool {
	_, ok := r.recorded[p]
	return ok
}

// unreadable notes a stored message that this build cannot read. It stays where it is.
func (d *Dispatcher) unreadable(seq uint64, err error) {
	d.metrics.unreadable.Inc()
	d.logger.Error("Failed to read stored delivery", "sequence", seq, "error", err)
}

// scanLoop reads all waiting deliveries of earlier runs into the lanes, while new events already
// flow.
func (d *Dispatcher) scanLoop() {
	select {
	case <-d.opts.ReadWaiting:
	case <-d.done:
		return
	}
	begin, r := time.Now(), d.pendingRecovery
	d.pendingRecovery = nil
	var obsolete []uint64
	err := d.log.ScanWaiting(d.run, 1, d.scanTo, func(m eventlog.Message) {
		s, err := delivery.DecodeStored(m.Data)
		if err != nil {
			d.unreadable(m.Seq, err)
			return
		}
		if r.superseded(s, m.Seq) {
			obsolete = append(obsolete, m.Seq)
			return
		}
		d.takeBack(s, m)
	})
	if err != nil {
		if d.run.Err() == nil {
			d.fail(fmt.Errorf("read waiting deliveries: %w", err))
		}
		return
	}
	for _, seq := range obsolete {
		if err := d.persist(func(ctx context.Context) error { return d.log.RemoveWaiting(ctx, seq) }); err != nil {
			return
		}
	}
	d.mu.Lock()
	d.scanned = true
	if d.scanFrom != 0 {
		d.live.release(d.scanFrom, 1)
	}
	d.signalReport()
	d.mu.Unlock()
	d.logger.Info("Read waiting deliveries", "obsolete", len(obsolete), "duration", time.Since(begin))
}

// superseded reports whether a later step of the pair is stored, so that this one is done with.
func (r *recovery) superseded(s *delivery.Stored, seq uint64) bool {
	p := pairOf(s)
	if _, dead := r.dead[p]; dead {
		return true
	}
	if late, ok := r.late[p]; ok {
		return seq != late.seq || r.premature(s)
	}
	known, ok := r.recorded[p]
	return ok && (known.ended || known.attempts > s.Attempts)
}

// premature reports whether the stored delivery of a dead letter, behind the last flush, came before a dead letter
// that never came to be: the delivery that it is about goes on.
func (r *recovery) premature(s *delivery.Stored) bool {
	if s.Kind != delivery.KindDeadLetter || s.Attempts > 0 {
		return false
	}
	p := pair{s.EventSeq, s.Subscription, delivery.KindEvent}
	_, dead := r.dead[p]
	return !dead && !r.recorded[p].ended
}

// takeBack puts one waiting delivery of an earlier run into its lane.
func (d *Dispatcher) takeBack(s *delivery.Stored, m eventlog.Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	sub := d.sub(s.Subscription)
	l := d.laneOf(s.Endpoint)
	deadLetter := s.Kind == delivery.KindDeadLetter
	if !deadLetter {
		if sub.lane == nil {
			d.attach(sub, l)
		}
		l = sub.lane
		sub.pending++
	}
	sub.dirty, l.dirty = true, true
	w := newWaiting(m.Seq, s.Due, s.AcceptedAt, waitingSize(s, len(m.Data)), deadLetter, sub)
	d.usage.add(s.Subscription.Namespace, w.size())
	d.shelveAt(l, w)
}
