// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/event"
)

// manyLarge is how many records with largeEvent's ids are more than the largest message of the log holds.
const manyLarge = 300

// largeEvent is an event whose attributes take nearly as much as they may.
func largeEvent(n int) *event.Event {
	return &event.Event{
		Namespace: "team-a", ID: fmt.Sprintf("e%d-", n) + strings.Repeat("x", event.MaxAttributeBytes-200), Source: "/shop",
		Type: "com.example.order.created", DataContentType: "application/json", Data: []byte(`{"total":1}`),
	}
}

// sendLarge accepts n events with large ids.
func (s *system) sendLarge(n int) {
	s.t.Helper()
	records := make([][]byte, n)
	for i := range records {
		records[i] = largeEvent(i).AppendRecord(nil)
	}
	if _, err := s.log.Append(s.t.Context(), "team-a", records); err != nil {
		s.t.Fatal(err)
	}
}

// waitsOf is the delivery of an event to the first subscription, outside memory.
func (s *system) waitsOf(e *event.Event, seq uint64) *delivery.Stored {
	return &delivery.Stored{
		EventSeq: seq, Subscription: s.subs[0].Name, Endpoint: s.endpoints[0].Name, AcceptedAt: time.Now(),
		Event: e.AppendRecord(nil),
	}
}

func TestFlush_IsCutByItsBytes(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	s.one(r)
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Concurrency = 0 }) // nobody sends
	s.sendLarge(manyLarge)
	// One look under the mutex parks them all, or, on a slow machine, all but those that were parked for their wait.
	s.eventually("the deliveries are read", func() bool { return s.d.Account().Matched == manyLarge })
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = true })
	s.stored(manyLarge)
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended, e.Concurrency = false, 16 })
	s.delivered(manyLarge)
	if distinct, total := r.distinct(); distinct != manyLarge || total != manyLarge {
		t.Errorf("%d deliveries in %d requests, want %d", distinct, total, manyLarge)
	}
}

func TestRecover_RecordsMoreThanOneMessageHolds(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	s.one(r)
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = true })
	s.crash()
	s.openLog(func() { // what a crash leaves that came between the storing of all and their flush
		for i := range manyLarge {
			w := s.waitsOf(largeEvent(i), uint64(i+1))
			if _, err := s.log.StoreWaiting(placeOf(w), w.Append(nil)).Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
	s.up()
	s.stored(manyLarge)
	s.eventually("all of them are recorded", func() bool { return s.d.Account().Complete })
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = false })
	s.delivered(manyLarge)
	if distinct, total := r.distinct(); distinct != manyLarge || total != manyLarge {
		t.Errorf("%d deliveries in %d requests, want %d", distinct, total, manyLarge)
	}
}

func TestRecover_CrashBetweenTheFlushesOfWhatItFoundLosesNoEnd(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	s.one(r)
	s.crash()
	s.openLog(func() { // events whose dead letters are stored, and no flush yet
		s.sendLarge(manyLarge)
		for i := range manyLarge {
			dead := s.waitsOf(largeEvent(i), uint64(i+1))
			dead.DeadLetter, dead.DeadAt = delivery.DeadExpired, time.Now()
			if _, err := s.log.StoreDeadLetter(placeOf(dead), dead.Append(nil)).Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		s.recovered(func(d *Dispatcher, c *checkpoint) {
			for seq := range uint64(manyLarge) { // they are read again, and nothing of them is left to do
				d.window.add(&entry{seq: seq + 1})
			}
			if !d.flush(c) || len(d.ops) == 0 {
				t.Fatalf("one flush left %d records, want some: %v", len(d.ops), d.failed)
			}
		})
	})
	s.up()
	s.eventually("all of them are recorded", func() bool {
		a := s.d.Account()
		return a.Complete && a.Delivered+a.DeadLettered == manyLarge && a.Memory+a.Stored == 0
	})
	if _, total := r.distinct(); total != 0 {
		t.Errorf("%d requests for deliveries that had ended", total)
	}
	if a := s.d.Account(); a.Matched != manyLarge || a.DeadLettered != manyLarge {
		t.Errorf("%d deliveries matched and %d are dead-lettered, want %d", a.Matched, a.DeadLettered, manyLarge)
	}
}

func TestRecordBytes_IsNoLessThanARecordTakes(t *testing.T) {
	t.Parallel()
	name := delivery.Name{Namespace: strings.Repeat("n", 63), Name: strings.Repeat("a", 253)}
	long := delivery.Record{
		EventSeq: 1<<64 - 1, Subscription: name, Kind: delivery.KindDeadLetter, Endpoint: name,
		EventID: strings.Repeat("i", event.MaxAttributeBytes), EventType: strings.Repeat("t", event.MaxAttributeBytes),
		DeliveryID: "msg_8117f0690181db2b0849a90ed3e3cdb9", First: true, Attempt: 1 << 62, Attempted: true, Time: time.Unix(1<<33, 1),
		Duration: 1 << 62, Outcome: delivery.OutcomeDeadLettered, StatusCode: 999, Reason: delivery.ReasonAuthentication,
		Message: strings.Repeat("m", 256), Response: strings.Repeat("r", 1_000), DeadLetter: delivery.DeadSubscriptionDeleted,
		NextAttempt: time.Unix(1<<33, 1),
	}
	for name, r := range map[string]delivery.Record{"an empty record": {}, "a record with all there is": long} {
		if is := len(r.Append(nil)); recordBytes(&r) < is || recordBytes(&r) > is+2*recordOverhead {
			t.Errorf("%s: estimated at %d bytes, takes %d", name, recordBytes(&r), is)
		}
	}
}
