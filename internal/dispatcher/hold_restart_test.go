// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// ends are the ways in which a run ends.
var ends = map[string]func(*system){"a stop": (*system).down, "a crash": (*system).crash}

// goneSince is since when the first endpoint and the first subscription that the tests make are gone.
func (s *system) goneSince() (endpoint, subscription time.Time) {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	if l := s.d.lanes[delivery.Name{Namespace: "team-a", Name: "billing"}]; l != nil {
		endpoint = l.gone
	}
	if x := s.d.subs[delivery.Name{Namespace: "team-a", Name: "orders"}]; x != nil {
		subscription = x.gone
	}
	return endpoint, subscription
}

func TestHold_OfADeletedEndpointOutlivesARestart(t *testing.T) {
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, nil)
			s := start(t, nil)
			s.one(r)
			s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = true })
			s.send("team-a", 5)
			s.stored(5)
			e := *s.endpoints[0]
			s.endpoints = nil
			s.load()
			since, _ := s.goneSince()
			end(s)
			s.up()
			s.stored(5)
			if now, _ := s.goneSince(); !now.Equal(since) {
				t.Errorf("gone since %v after the restart, want %v: a restart is no new hold", now, since)
			}
			s.send("team-a", 3)
			s.stored(8)
			end(s)
			s.up()
			e.UID, e.Suspended = "another", false
			s.endpoints = append(s.endpoints, &e)
			s.load()
			s.delivered(8)
			if distinct, total := r.distinct(); distinct != 8 || total != 8 {
				t.Errorf("%d deliveries in %d requests, want 8", distinct, total)
			}
			s.endpoints = nil
			s.load()
			if again, _ := s.goneSince(); again.Equal(since) || again.IsZero() {
				t.Errorf("gone since %v when deleted again, want a new hold", again)
			}
		})
	}
}

func TestHold_OfADeletedSubscriptionOutlivesARestart(t *testing.T) {
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, nil)
			s := start(t, nil)
			s.one(r)
			s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = true })
			s.send("team-a", 5)
			s.stored(5)
			x := *s.subs[0]
			s.subs = nil
			s.load()
			_, since := s.goneSince()
			end(s)
			s.up()
			s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = false })
			s.stored(5)
			if _, now := s.goneSince(); !now.Equal(since) {
				t.Errorf("gone since %v after the restart, want %v: a restart is no new hold", now, since)
			}
			if _, total := r.distinct(); total != 0 {
				t.Errorf("%d requests while held, want none", total)
			}
			x.UID = "another"
			s.subs = append(s.subs, &x)
			s.load()
			s.delivered(5)
			end(s)
			s.up()
			if _, now := s.goneSince(); !now.IsZero() {
				t.Errorf("gone since %v when it is there", now)
			}
		})
	}
}

// stateOf lists the kinds of the small state that is stored about anything in the namespace.
func (s *system) stateOf(namespace string) (kinds []string) {
	s.t.Helper()
	state, err := s.log.State(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for key := range state {
		if key.Namespace == namespace {
			kinds = append(kinds, key.Kind)
		}
	}
	return kinds
}

func TestForget_LeavesNothingOfWhatIsGoneForLonger(t *testing.T) {
	for name, end := range map[string]func(*system){
		"without a restart": func(*system) {}, "after a stop": func(s *system) { s.down(); s.up() },
		"after a crash": func(s *system) { s.crash(); s.up() },
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, answerStatus(http.StatusServiceUnavailable))
			s := start(t, func(o *Options) { o.Hold = time.Second })
			s.one(r)
			s.subs[0].Retry.Delays = make([]time.Duration, 1000)
			s.changeEndpoint(func(e *delivery.Endpoint) {
				e.Breaker.OpenDuration, e.Breaker.MaxOpenDuration, e.DisableAfter = time.Hour, time.Hour, time.Hour
			})
			s.send("team-a", 5)
			s.eventually("the circuit opened", func() bool { return s.circuitState() == breaker.Open })
			s.stored(5)
			s.eventually("its state is stored", func() bool {
				kinds := s.stateOf("team-a")
				return slices.Contains(kinds, stateCircuit) && slices.Contains(kinds, stateEndpoint)
			})
			s.endpoints, s.subs = []*delivery.Endpoint{s.endpoint("team-b", "other", r.URL, nil)}, nil
			s.load()
			end(s)
			s.eventually("everything is forgotten", func() bool {
				s.d.mu.Lock()
				s.d.signalSweep()
				known := len(s.d.subs) + len(s.d.lanes)
				s.d.mu.Unlock()
				return known == 1 && len(s.stateOf("team-a")) == 0
			})
			if a := s.d.Account(); a.DeadLettered != 5 || a.Unaccounted() != 0 {
				t.Errorf("account %+v, want 5 dead letters", a)
			}
		})
	}
}
