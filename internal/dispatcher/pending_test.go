// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
)

func TestOldestPending_StaysWhenTheSubscriptionAloneChanges(t *testing.T) {
	s := start(t, nil)
	s.one(newReceiver(t, nil))
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = true })
	s.send("team-a", 5)
	s.stored(5)
	name := s.subs[0].Name
	s.eventually("the oldest is reported", func() bool { return !s.reports.subscription(name).Counts.OldestPending.IsZero() })
	s.d.facts(time.Now()) // nothing is left to be reported
	s.changeSubscription(func(*delivery.Subscription) {})
	s.eventually("the change is reported", func() bool { return s.reports.subscription(name).Generation == 2 })
	if f := s.reports.subscription(name); f.Counts.Pending != 5 || f.Counts.OldestPending.IsZero() {
		t.Errorf("%d deliveries are pending, the oldest since %v", f.Counts.Pending, f.Counts.OldestPending)
	}
}

func TestOldestPending_CountsWhatCameFromStorage(t *testing.T) {
	release := make(chan struct{})
	r := newReceiver(t, func(http.ResponseWriter, *http.Request, int) { <-release })
	s := start(t, nil)
	s.one(r)
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = true })
	s.send("team-a", 1)
	s.stored(1)
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = false })
	s.eventually("it is in flight", r.got(1))
	a := s.d.Account()
	if a.Stored != 0 || a.Memory != 1 {
		t.Errorf("account %+v, want one in memory", a)
	}
	if a.OldestPending <= 0 {
		t.Error("the age of the oldest is that of nothing")
	}
	if f := s.factsOf(s.subs[0].Name, time.Now()); f.Counts.OldestPending.IsZero() {
		t.Error("the subscription has no oldest")
	}
	if f := s.endpointFactsOf(s.endpoints[0].Name); f.Counts.OldestPending.IsZero() {
		t.Error("the endpoint has no oldest")
	}
	close(release)
	s.delivered(1)
	if a := s.d.Account(); a.OldestPending != 0 {
		t.Errorf("nothing is pending, and the oldest is %s old", a.OldestPending)
	}
}

func TestOldestPending_LeavesOutWhatHasEnded(t *testing.T) {
	release := make(chan struct{})
	stuck := newReceiver(t, func(http.ResponseWriter, *http.Request, int) { <-release })
	s := start(t, nil)
	s.one(newReceiver(t, nil))
	s.endpoints = append(s.endpoints, s.endpoint("team-a", "stuck", stuck.URL, nil))
	s.subs = append(s.subs, s.subscription("team-a", "to-stuck", s.endpoints[1].Name, nil))
	s.load()
	s.send("team-a", 1)
	s.delivered(1) // and the event is not settled, since its other delivery is in flight
	if f := s.factsOf(s.subs[0].Name, time.Now()); f.Counts.Pending != 0 || !f.Counts.OldestPending.IsZero() {
		t.Errorf("%d deliveries are pending, the oldest since %v", f.Counts.Pending, f.Counts.OldestPending)
	}
	if f := s.factsOf(s.subs[1].Name, time.Now()); f.Counts.Pending != 1 || f.Counts.OldestPending.IsZero() {
		t.Errorf("%d deliveries of the other are pending, the oldest since %v", f.Counts.Pending, f.Counts.OldestPending)
	}
	close(release)
	s.delivered(2)
}

func TestOldestPending_IsThereAsLongAsAnythingIsPending(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n%2 == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	s := start(t, nil)
	s.one(r)
	ended := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		for {
			f := s.factsOf(s.subs[0].Name, time.Now())
			if (f.Counts.Pending > 0) == f.Counts.OldestPending.IsZero() {
				t.Errorf("%d deliveries are pending, the oldest since %v", f.Counts.Pending, f.Counts.OldestPending)
				return
			}
			select {
			case <-ended:
				return
			default:
			}
		}
	})
	for n := range 50 { // one at a time, so that no other is the oldest meanwhile
		s.send("team-a", 1)
		s.delivered(int64(n + 1))
	}
	close(ended)
	looking.Wait()
}
