// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/routing"
)

func TestRecover_GivesAnEventToNoSubscriptionThatCameAfterIt(t *testing.T) {
	release := make(chan struct{})
	r := newReceiver(t, func(http.ResponseWriter, *http.Request, int) { <-release })
	late := newReceiver(t, nil)
	s := start(t, nil)
	s.one(r)
	s.send("team-a", 5)
	s.eventually("they are in flight, so unsettled", r.got(5))
	s.endpoints = append(s.endpoints, s.endpoint("team-a", "late", late.URL, nil))
	s.subs = append(s.subs, s.subscription("team-a", "late", s.endpoints[1].Name, nil))
	s.load()
	s.crash()
	close(release)
	s.up()
	s.send("team-a", 1)
	s.delivered(7)
	if distinct, _ := late.distinct(); distinct != 1 {
		t.Errorf("%d deliveries to the later subscription, want the one event after it", distinct)
	}
}

func TestRecover_RestoresTheFigures(t *testing.T) {
	for name, end := range map[string]func(*system){"after a stop": (*system).down, "after a crash": (*system).crash} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, n int) {
				if n%3 == 0 {
					w.WriteHeader(http.StatusUnprocessableEntity)
				}
			})
			s := start(t, nil)
			s.one(r)
			s.send("team-a", 100)
			s.eventually("all ended", func() bool { a := s.d.Account(); return a.Delivered+a.DeadLettered == 100 })
			figuresOf := func() figures {
				s.d.mu.Lock()
				defer s.d.mu.Unlock()
				f := s.d.subs[s.subs[0].Name].figures
				f.Failures, f.LastSuccess, f.LastFailure = nil, time.Time{}, time.Time{}
				return f
			}
			want := figuresOf()
			end(s)
			s.up()
			if diff := cmp.Diff(want, figuresOf()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRecover_ReadsWhatWaitsWhenItMay(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	s.one(r)
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = true })
	s.send("team-a", 3)
	s.stored(3)
	s.eventually("they are told", func() bool { return s.reports.subscription(s.subs[0].Name).Counts.Pending == 3 })
	s.endpoints[0].Suspended = false
	may := make(chan struct{})
	s.options = func(o *Options) { o.ReadWaiting = may }
	for i, end := range []func(){s.down, s.crash} {
		end()
		s.up()
		s.send("team-a", 1)
		s.eventually("a new event is delivered", r.got(i+1))
	}
	if s.d.Account().Complete {
		t.Error("the account is complete before all was read")
	}
	s.d.report(time.Now())
	if n := s.reports.subscription(s.subs[0].Name).Counts.Pending; n != 3 {
		t.Errorf("%d deliveries are said to be pending before all was read, want the 3 of before", n)
	}
	close(may)
	s.eventually("what waited is delivered", r.got(5))
	s.delivered(5)
}

func TestRecover_TakesOneOfTwoStoredCopies(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	s.one(r)
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = true })
	s.send("team-a", 1)
	s.stored(1)
	// A crash may leave two copies behind the last flush, such as of what was parked in flight.
	s.d.mu.Lock()
	w := s.d.lanes[s.endpoints[0].Name].backlog[0]
	s.d.mu.Unlock()
	m, err := s.log.Waiting(t.Context(), w.seq)
	if err != nil {
		t.Fatal(err)
	}
	copied, err := delivery.DecodeStored(m.Data)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.log.StoreWaiting(placeOf(copied), m.Data).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.crash()
	s.up()
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = false })
	s.delivered(1)
	s.eventually("nothing is left", func() bool { a := s.d.Account(); return a.Complete && a.Memory+a.Stored == 0 })
	if _, total := r.distinct(); total != 1 {
		t.Errorf("%d requests, want 1", total)
	}
}

func TestLoad_CountsNoPositionThatWasNotStored(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	e := s.endpoint("team-a", "billing", r.URL, nil)
	update := routing.Update{Table: routing.NewTable([]*delivery.Endpoint{e}, []*delivery.Subscription{s.subscription("team-a", "orders", e.Name, nil)})}
	s.d.mu.Lock()
	s.d.loadEndpoints(update, time.Now())
	s.d.loadSubscriptions(update, time.Now())
	first, again := s.d.newPositions(7), s.d.newPositions(9)
	s.d.mu.Unlock()
	if len(first) != 1 || len(again) != 1 {
		t.Errorf("%d positions to be stored, and %d after that failed; want one each time", len(first), len(again))
	}
}

func TestRemoveState_KeepsThePositionOfWhatCameBack(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	s.one(r)
	s.d.mu.Lock()
	name := s.subs[0].Name
	s.d.forgetSubscription(name, s.d.subs[name])
	removals := s.d.removals
	s.d.removals = nil
	s.d.mu.Unlock()
	s.load()
	s.d.mu.Lock()
	s.d.removals = slices.Clone(removals)
	s.d.mu.Unlock()
	before, err := s.log.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if before[positionKey(name)] == nil {
		t.Fatal("the position is not stored")
	}
	s.d.removeState()
	after, err := s.log.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range removals {
		if before[k] != nil && after[k] == nil { // figures are stored once there are some
			t.Errorf("%s is removed, though its object is there again", k)
		}
	}
}

func TestTrim_TakesNoEventFromUnderAWaitingDelivery(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, func(o *Options) { o.KeepEvents.MaxBytes = 1 })
	s.one(r)
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = true })
	s.send("team-a", 50)
	s.stored(50)
	s.eventually("the events are trimmed", func() bool {
		if err := s.d.trimEvents(context.WithoutCancel(t.Context()), time.Now()); err != nil {
			t.Fatal(err)
		}
		first, err := s.log.FirstEvent(t.Context())
		return err == nil && first > 50
	})
	s.crash()
	s.up()
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = false })
	s.delivered(50)
}

func TestAdmit_RefusesANamespaceAtItsShareAlone(t *testing.T) {
	r := newReceiver(t, nil)
	var share atomic.Int64
	share.Store(1 << 20)
	s := start(t, func(o *Options) { o.Share = func(string) int64 { return share.Load() } })
	s.one(r)
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = true })
	s.send("team-a", 30)
	s.stored(30)
	s.d.mu.Lock()
	share.Store(s.d.usage.bytes["team-a"])
	s.d.mu.Unlock()
	refused := func() bool {
		_, ok := s.d.Admit("team-a", 1)
		if ok {
			s.d.Return("team-a", 1)
		}
		return !ok
	}
	if !refused() {
		t.Error("a namespace over its share is admitted")
	}
	if _, ok := s.d.Admit("team-b", 1); !ok {
		t.Error("another namespace is refused too")
	}
	s.down()
	s.up()
	s.stored(30)
	if !refused() {
		t.Error("the restart forgot what the namespace holds")
	}
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = false })
	s.delivered(30)
	s.eventually("the namespace is admitted again", func() bool { return !refused() })
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	if left := s.d.usage.bytes["team-a"]; left != 0 {
		t.Errorf("%d bytes are counted though nothing is left", left)
	}
}
