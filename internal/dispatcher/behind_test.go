// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/retry"
	"github.com/posthorn-dev/posthorn/internal/routing"
)

// ballast is the kind of values that take up what is free of the storage.
const ballast = "ballast"

// refuseWrites has the log refuse whatever is to be stored, as one does that is full of what nobody may remove, and
// returns what makes it take that again. It can be read meanwhile.
func (s *system) refuseWrites() (undo func()) {
	s.t.Helper()
	s.d.replaced.trimming.Lock() // what is settled stays
	var keys []eventlog.StateKey
	for _, size := range []int{1 << 20, 64 << 10, 1 << 10, 1} {
		for {
			k := eventlog.StateKey{Kind: ballast, Namespace: "b", Name: strconv.Itoa(len(keys))}
			err := s.log.PutState(s.t.Context(), map[eventlog.StateKey][]byte{k: make([]byte, size)})
			if errors.Is(err, eventlog.ErrFull) {
				break
			}
			if err != nil {
				s.t.Fatal(err)
			}
			keys = append(keys, k)
		}
	}
	return func() {
		s.t.Helper()
		for _, k := range keys {
			if err := s.log.RemoveState(s.t.Context(), k); err != nil {
				s.t.Fatal(err)
			}
		}
		s.d.replaced.trimming.Unlock()
	}
}

// backlogOf has n deliveries wait in storage, in a log that can be filled.
func backlogOf(t *testing.T, r *receiver, n int) *system {
	t.Helper()
	s := &system{t: t, dir: t.TempDir(), reports: newReports(), maxBytes: 64 << 20}
	s.run()
	s.one(r)
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = true })
	s.send("team-a", n)
	s.stored(int64(n))
	return s
}

func TestPump_SendsNoMoreOfWhatIsStoredThanCanBeRecorded(t *testing.T) {
	const n = 2*maxUnrecorded + maxFlushRecords
	r := newReceiver(t, nil)
	s := backlogOf(t, r, n)
	takeWrites := s.refuseWrites()
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = false })
	s.eventually("no more is sent", func() bool {
		s.d.mu.Lock()
		defer s.d.mu.Unlock()
		return s.d.behind() && s.d.lanes[s.endpoints[0].Name].workers == 0
	})
	// One flush is under way, and requests were in flight when the bound was reached.
	most := maxUnrecorded + maxFlushRecords + s.endpoints[0].Concurrency
	if _, total := r.distinct(); total > most {
		t.Errorf("%d requests whose outcome is not recorded, want %d at most", total, most)
	}
	takeWrites()
	s.delivered(n)
	if distinct, total := r.distinct(); distinct != n || total != n {
		t.Errorf("%d deliveries in %d requests, want %d", distinct, total, n)
	}
}

func TestSweep_EndsNoMoreThanCanBeRecorded(t *testing.T) {
	const n = 2*maxUnrecorded + maxFlushRecords
	s := backlogOf(t, newReceiver(t, nil), n)
	takeWrites := s.refuseWrites()
	s.changeSubscription(func(x *delivery.Subscription) {
		x.Retry = &retry.Policy{Delays: x.Retry.Delays, MaxAge: time.Nanosecond}
	})
	s.eventually("no more is ended", func() bool {
		s.d.sweep(time.Now())
		s.d.mu.Lock()
		defer s.d.mu.Unlock()
		return s.d.behind()
	})
	s.d.sweep(time.Now())
	s.d.mu.Lock()
	ended := len(s.d.ops)
	s.d.mu.Unlock()
	if most := maxUnrecorded + sweepBatch; ended > most { // the sweep loop is another one that may have taken a batch
		t.Errorf("%d deliveries are ended that are not recorded, want %d at most", ended, most)
	}
	takeWrites()
	s.eventually("all are dead-lettered", func() bool { return s.d.Account().DeadLettered == n })
}

func TestSweep_GoesOnWithTheNextTurn(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tests := map[string]struct {
		waiting, ops, want int
		again              bool
	}{
		"nothing waits to be recorded":      {waiting: 2 * sweepBatch, want: sweepBatch},
		"there is room for a part":          {waiting: 2 * sweepBatch, ops: maxUnrecorded - 10, want: 10, again: true},
		"there is no room":                  {waiting: 1, ops: maxUnrecorded, again: true},
		"there is no room, and none needed": {ops: maxUnrecorded, again: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			d := idle(t)
			d.scanned, d.table, d.ops = true, routing.NewTable(nil, nil), make([]*op, tc.ops)
			l, x := d.laneOf(delivery.Name{Namespace: "team-a", Name: "billing"}), d.sub(delivery.Name{Namespace: "team-a", Name: "orders"})
			l.gone = now.Add(-time.Hour)
			d.attach(x, l)
			for i := range tc.waiting {
				l.backlog.add(newWaiting(uint64(i+1), time.Time{}, now, 100, false, x))
			}
			if batch := d.overdue(now); len(batch) != tc.want || len(l.backlog) != tc.waiting-tc.want {
				t.Errorf("%d are ended, and %d left; want %d", len(batch), len(l.backlog), tc.want)
			}
			if d.sweepNow != tc.again {
				t.Errorf("the next turn looks again: %v, want %v", d.sweepNow, tc.again)
			}
		})
	}
}

func TestNext_TakesFreshDeliveriesWhileTheFlusherIsBehind(t *testing.T) {
	t.Parallel()
	now := time.Now()
	d := idle(t)
	name := delivery.Name{Namespace: "team-a", Name: "billing"}
	l, x := d.laneOf(name), d.sub(delivery.Name{Namespace: "team-a", Name: "orders"})
	l.endpoint = &delivery.Endpoint{Name: name}
	l.circuit = &circuit{breaker: breaker.New(breaker.Config{FailureThreshold: 5}, now)}
	for i := range 3 {
		l.backlog.add(newWaiting(uint64(i+1), time.Time{}, now, 100, false, x))
		l.queue.add(&task{sub: x, lane: l, seq: uint64(i + 1)})
	}
	d.ops = make([]*op, maxUnrecorded)
	for range 3 {
		if got, _ := d.next(l, now); got == nil || got.waiting.seq != 0 {
			t.Fatalf("took %+v, want a fresh delivery", got)
		}
	}
	if got, wait := d.next(l, now); got != nil || wait != 0 {
		t.Fatalf("took %+v, want nothing until resume", got)
	}
	d.ops = d.ops[1:]
	if got, _ := d.next(l, now); got == nil || got.waiting.seq == 0 {
		t.Errorf("took %+v, want a stored delivery", got)
	}
}
