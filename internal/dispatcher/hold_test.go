// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"net/http"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/routing"
)

// stored waits until n deliveries wait in storage.
func (s *system) stored(n int64) {
	s.t.Helper()
	s.eventually("the deliveries wait in storage", func() bool { a := s.d.Account(); return a.Stored == n && a.Memory == 0 })
}

// delivered waits until n deliveries are recorded as delivered.
func (s *system) delivered(n int64) {
	s.t.Helper()
	s.eventually("the deliveries are recorded", func() bool { return s.d.Account().Delivered == n })
}

// dead waits until n deliveries are dead letters, and checks that all are for the reason.
func (s *system) dead(n int64, reason delivery.DeadLetterReason) {
	s.t.Helper()
	s.eventually("the deliveries are dead-lettered", func() bool {
		s.d.mu.Lock()
		s.d.signalSweep()
		s.d.mu.Unlock()
		return s.d.Account().DeadLettered == n
	})
	page, err := s.d.attempts.DeadLetters(s.t.Context(), queryOf("team-a"))
	if err != nil {
		s.t.Fatal(err)
	}
	if len(page.Items) != int(n) {
		s.t.Errorf("%d dead letters, want %d", len(page.Items), n)
	}
	for _, r := range page.Items {
		if r.DeadLetter != reason {
			s.t.Errorf("dead letter for %s, want %s", r.DeadLetter, reason)
		}
	}
}

// changeEndpoint and changeSubscription replace the first object by a changed one of the next
// generation.
func (s *system) changeEndpoint(change func(*delivery.Endpoint)) {
	s.t.Helper()
	e := *s.endpoints[0]
	e.Generation++
	change(&e)
	s.endpoints[0] = &e
	s.load()
}

func (s *system) changeSubscription(change func(*delivery.Subscription)) {
	s.t.Helper()
	spec := *s.subs[0]
	spec.Generation++
	change(&spec)
	s.subs[0] = &spec
	s.load()
}

func TestHold_ResumesWhenItsCauseIsGone(t *testing.T) {
	tests := map[string]struct{ hold, resume func(s *system) }{
		"a suspended endpoint": {
			func(s *system) { s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = true }) },
			func(s *system) { s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = false }) },
		},
		"a suspended subscription": {
			func(s *system) { s.changeSubscription(func(x *delivery.Subscription) { x.Suspended = true }) },
			func(s *system) { s.changeSubscription(func(x *delivery.Subscription) { x.Suspended = false }) },
		},
		"a deleted endpoint": {
			func(s *system) {
				s.loadUpdate(routing.Update{Table: routing.NewTable(nil, s.subs)})
			},
			func(s *system) { s.changeEndpoint(func(e *delivery.Endpoint) { e.UID = "another" }) },
		},
		"an endpoint without credentials": {
			func(s *system) {
				s.loadUpdate(routing.Update{
					Table:   routing.NewTable(nil, s.subs),
					Invalid: []routing.Invalid{{Kind: kindEndpoint, Name: s.endpoints[0].Name, Reason: "CredentialsPending"}},
				})
			},
			func(s *system) { s.load() },
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, nil)
			s := start(t, nil)
			s.one(r)
			tt.hold(s)
			s.send("team-a", 20)
			s.stored(20)
			if _, total := r.distinct(); total != 0 {
				t.Errorf("%d requests while held, want none", total)
			}
			tt.resume(s)
			s.delivered(20)
			if distinct, total := r.distinct(); distinct != 20 || total != 20 {
				t.Errorf("%d deliveries in %d requests, want 20", distinct, total)
			}
		})
	}
}

func TestHold_OfARevokedGrantEndsWithANewOne(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	e := s.endpoint("platform", "shared", r.URL, func(e *delivery.Endpoint) { e.Admits = []string{"team-a"} })
	s.endpoints = []*delivery.Endpoint{e}
	s.subs = []*delivery.Subscription{s.subscription("team-a", "orders", e.Name, nil)}
	s.load()
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Admits = nil })
	s.send("team-a", 10)
	s.stored(10)
	if _, total := r.distinct(); total != 0 {
		t.Errorf("%d requests without a grant, want none", total)
	}
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Admits = []string{"team-a"} })
	s.delivered(10)
}

func TestHold_EndsInDeadLettersWhenNothingOfTheNameComes(t *testing.T) {
	tests := map[string]struct {
		remove func(s *system)
		reason delivery.DeadLetterReason
	}{
		"a subscription": {func(s *system) { s.subs = nil }, delivery.DeadSubscriptionDeleted},
		"an endpoint":    {func(s *system) { s.endpoints = nil }, delivery.DeadEndpointDeleted},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, nil)
			s := start(t, func(o *Options) { o.Hold = 300 * time.Millisecond })
			s.one(r)
			s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = true })
			s.send("team-a", 5)
			s.stored(5)
			tt.remove(s)
			s.load()
			s.dead(5, tt.reason)
		})
	}
}

func TestHold_OfADeletedSubscriptionIsTakenUpByItsName(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	s.one(r)
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = true })
	s.send("team-a", 5)
	s.stored(5)
	subs := s.subs
	s.subs = nil
	s.load()
	s.send("team-a", 5) // while it is gone: not its
	s.subs = subs
	s.changeSubscription(func(x *delivery.Subscription) { x.UID = "another" })
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = false })
	s.send("team-a", 1)
	s.delivered(6)
}

func TestMaxAge_EndsWhatIsParked(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	s.one(r)
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = true })
	s.send("team-a", 5)
	s.stored(5)
	s.changeSubscription(func(x *delivery.Subscription) {
		policy := *x.Retry
		policy.MaxAge = time.Millisecond
		x.Retry = &policy
	})
	s.dead(5, delivery.DeadExpired)
}

func TestEndpointRef_AChangeMovesWhatWaitsAndWhatIsInFlight(t *testing.T) {
	release := make(chan struct{})
	before := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		<-release
		w.WriteHeader(http.StatusUnprocessableEntity)
	})
	after := newReceiver(t, nil)
	s := start(t, nil)
	s.one(before)
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Concurrency = 2 })
	s.endpoints = append(s.endpoints, s.endpoint("team-a", "other", after.URL, nil))
	s.send("team-a", 10)
	s.eventually("two are in flight", before.got(2))
	s.changeSubscription(func(x *delivery.Subscription) { x.Endpoint = s.endpoints[1].Name })
	close(release)
	s.delivered(10)
	if distinct, _ := after.distinct(); distinct != 10 {
		t.Errorf("%d deliveries at the new endpoint, want all 10", distinct)
	}
	if _, total := before.distinct(); total != 2 {
		t.Errorf("%d requests at the old endpoint, want the 2 that were in flight", total)
	}
}
