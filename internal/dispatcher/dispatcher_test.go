// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/status"
)

// one sets up an endpoint at the receiver and a subscription to it.
func (s *system) one(r *receiver) {
	s.t.Helper()
	e := s.endpoint("team-a", "billing", r.URL+"/hooks", nil)
	s.endpoints = []*delivery.Endpoint{e}
	s.subs = []*delivery.Subscription{s.subscription("team-a", "orders", e.Name, nil)}
	s.load()
}

func TestDispatcher_DeliversEveryEventOnce(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	s.one(r)
	s.send("team-a", 500)
	s.send("team-b", 10) // another tenant's
	s.eventually("all arrived", r.got(500))
	s.eventually("all are recorded", func() bool { return s.d.Account().Delivered == 500 })
	if distinct, total := r.distinct(); distinct != 500 || total != 500 {
		t.Errorf("%d deliveries in %d requests, want 500 in 500", distinct, total)
	}
	s.eventually("the status says so", func() bool {
		return s.reports.subscription(s.subs[0].Name).Counts == status.Counts{
			Matched: 500, Delivered: 500, LastSuccess: s.reports.subscription(s.subs[0].Name).Counts.LastSuccess,
		}
	})
}

func TestDispatcher_BeginsASubscriptionBehindTheEventsBeforeIt(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	s.send("team-a", 20)
	s.one(r)
	s.send("team-a", 1)
	s.eventually("the new event arrived", r.got(1))
	s.down()
	s.up() // the old events are not settled by anything but the floor
	s.send("team-a", 1)
	s.eventually("the newer event arrived", r.got(2))
	if distinct, _ := r.distinct(); distinct != 2 {
		t.Errorf("%d deliveries, want 2: events before the subscription are not its", distinct)
	}
}

func TestDispatcher_RetriesAndDeadLettersWhenTheScheduleEnds(t *testing.T) {
	r := newReceiver(t, answerStatus(http.StatusUnprocessableEntity))
	s := start(t, nil)
	s.one(r)
	s.send("team-a", 3)
	s.eventually("all are dead-lettered", func() bool { return s.d.Account().DeadLettered == 3 })
	if _, total := r.distinct(); total != 12 {
		t.Errorf("%d requests, want 3 deliveries of 4 attempts", total)
	}
	if state := s.circuitState(); state != breaker.Closed {
		t.Errorf("circuit %s, want it Closed: the answers are about the events", state)
	}
}

func TestDispatcher_OpensTheCircuitAndLosesNothing(t *testing.T) {
	r := newReceiver(t, answerStatus(http.StatusServiceUnavailable))
	s := start(t, nil)
	s.one(r)
	s.subs[0].Retry.Delays = make([]time.Duration, 200)
	s.send("team-a", 200)
	s.eventually("the circuit opened", func() bool {
		return s.reports.endpoint(s.endpoints[0].Name).Circuit.State != breaker.Closed && r.got(1)()
	})
	r.set(nil)
	s.eventually("all arrived", func() bool { return s.d.Account().Delivered == 200 })
	s.eventually("the circuit closed", func() bool {
		return s.reports.endpoint(s.endpoints[0].Name).Circuit.State == breaker.Closed
	})
}

func TestDispatcher_GoesOnBehindAnEventThatCannotBeRead(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	s.one(r)
	for range 2 { // the second time it is read by another run
		s.send("team-a", 3)
		if _, err := s.log.Append(t.Context(), "team-a", [][]byte{[]byte("not a record")}); err != nil {
			t.Fatal(err)
		}
		s.send("team-a", 3)
		s.eventually("the others arrived", r.got(s.accepted))
		s.eventually("all is settled", s.settled)
		if n := testutil.ToFloat64(s.d.metrics.unreadable); n != 1 {
			t.Errorf("%v records count as unreadable, want 1", n)
		}
		s.crash()
		s.up()
	}
	s.eventually("the deliveries are recorded", func() bool { a := s.d.Account(); return a.Complete && a.Delivered == int64(s.accepted) })
}

func TestDispatcher_GracefulStopSendsNothingTwice(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	s.one(r)
	for range 5 {
		s.send("team-a", 200)
		s.down()
		s.up()
	}
	s.eventually("all arrived", r.got(1000))
	s.eventually("all are recorded", func() bool { return s.d.Account().Delivered == 1000 })
	if distinct, total := r.distinct(); distinct != 1000 || total != 1000 {
		t.Errorf("%d deliveries in %d requests, want 1,000 in 1,000", distinct, total)
	}
}

func TestDispatcher_StopsBeforeThereIsATable(t *testing.T) {
	s := start(t, nil)
	s.send("team-a", 10)
	for range 5 { // the events have been read, and wait for the table, in most of them
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			s.d.Stop()
		}()
		select {
		case <-stopped:
		case <-time.After(20 * time.Second):
			t.Fatal("the stop waits for a routing table that will not come")
		}
		s.client.Close()
		s.log.Close()
		s.up()
	}
}

func TestDispatcher_CrashLosesNothing(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n%7 == 0 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	s := start(t, nil)
	s.one(r)
	s.subs[0].Retry.Delays = make([]time.Duration, 100)
	for range 8 {
		s.send("team-a", 200)
		s.eventually("some arrived", r.got(s.accepted-150))
		s.crash()
		s.up()
	}
	s.eventually("all arrived", r.got(s.accepted))
	s.eventually("all are recorded", func() bool {
		a := s.d.Account()
		return a.Complete && a.Memory+a.Stored == 0 && a.Delivered == int64(s.accepted)
	})
	if distinct, _ := r.distinct(); distinct != s.accepted {
		t.Errorf("%d deliveries, want %d", distinct, s.accepted)
	}
}

func TestDispatcher_SaysWhyItFailedForGood(t *testing.T) {
	s := start(t, nil)
	s.d.fail(io.ErrUnexpectedEOF)
	if err := s.d.Failure(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("failure is %v, want %v", err, io.ErrUnexpectedEOF)
	}
	if s.d.Accepting() == nil || s.d.Ready() == nil {
		t.Error("takes events, or is ready, after it failed")
	}
}
