// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/status"
)

// circuitState is the state of the first endpoint's circuit.
func (s *system) circuitState() breaker.State {
	return s.d.Circuits(s.endpoints[0].Name.Namespace)[0].State
}

func TestCircuit_IsSharedByTheEndpointsOfAHostWhenAsked(t *testing.T) {
	r := newReceiver(t, answerStatus(http.StatusBadGateway))
	s := start(t, nil)
	share := func(e *delivery.Endpoint) {
		e.ShareCircuit = true
		e.Breaker.OpenDuration, e.Breaker.MaxOpenDuration = 50*time.Millisecond, 50*time.Millisecond
	}
	a, b := s.endpoint("team-a", "a", r.URL+"/a", share), s.endpoint("team-a", "b", r.URL+"/b", share)
	s.endpoints = []*delivery.Endpoint{a, b}
	long := func(x *delivery.Subscription) { x.Retry.Delays = make([]time.Duration, 1000) }
	s.subs = []*delivery.Subscription{
		s.subscription("team-a", "to-a", a.Name, long), s.subscription("team-a", "to-b", b.Name, long),
	}
	s.load()
	s.send("team-a", 20)
	s.eventually("the circuit opened", func() bool { return s.circuitState() != breaker.Closed })
	views := s.d.Circuits("team-a")
	if len(views) != 2 || !views[0].Shared || views[0].Since != views[1].Since {
		t.Errorf("circuits %+v, want one that both share", views)
	}
	r.set(nil)
	s.delivered(40)
}

// transitions gathers what a dispatcher logs of circuits.
type transitions struct {
	slog.Handler
	mu  sync.Mutex
	all []string
}

// Enabled is slog.Handler's.
func (*transitions) Enabled(context.Context, slog.Level) bool { return true }

// Handle is slog.Handler's.
func (l *transitions) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "Changed circuit" {
		return nil
	}
	said := map[string]string{}
	r.Attrs(func(a slog.Attr) bool { said[a.Key] = a.Value.String(); return true })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, said["from"]+" to "+said["to"])
	return nil
}

// first are the first n of them.
func (l *transitions) first(n int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all[:min(n, len(l.all))])
}

func TestCircuit_LogsAndCountsEveryTransition(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n <= 6 { // five that open it, and the first probe
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	logged := &transitions{}
	s := start(t, func(o *Options) { o.Logger = slog.New(logged) })
	s.one(r)
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Concurrency = 1 })
	s.subs[0].Retry.Delays = make([]time.Duration, 100)
	s.send("team-a", 10)
	s.delivered(10)
	want := []string{"Closed to Open", "Open to HalfOpen", "HalfOpen to Open", "Open to HalfOpen", "HalfOpen to Closed"}
	if diff := cmp.Diff(want, logged.first(10)); diff != "" {
		t.Error(diff)
	}
	for state, want := range map[breaker.State]float64{breaker.Open: 2, breaker.HalfOpen: 2, breaker.Closed: 1} {
		if got := testutil.ToFloat64(s.d.metrics.transitions.WithLabelValues(string(state))); got != want {
			t.Errorf("%v transitions to %s count, want %v", got, state, want)
		}
	}
}

func TestCircuit_StaysClosedWhileAReceiverAsksForAPause(t *testing.T) {
	r := newReceiver(t, answerStatus(http.StatusTooManyRequests))
	s := start(t, nil)
	s.one(r)
	s.subs[0].Retry.Delays = make([]time.Duration, 100)
	s.send("team-a", 20)
	s.eventually("it was asked more often than would open a circuit", func() bool { _, total := r.distinct(); return total >= 10 })
	s.eventually("the status calls it throttled", func() bool {
		return s.reports.subscription(s.subs[0].Name).Delivering == status.Throttled
	})
	if state := s.circuitState(); state != breaker.Closed {
		t.Errorf("circuit %s, want it Closed", state)
	}
	r.set(nil)
	s.delivered(20)
}

func TestDisableAfter_CountsARefusalByRate(t *testing.T) {
	r := newReceiver(t, answerStatus(http.StatusTooManyRequests))
	s := start(t, nil)
	s.one(r)
	s.subs[0].Retry.Delays = make([]time.Duration, 10_000)
	s.changeEndpoint(func(e *delivery.Endpoint) { e.DisableAfter = time.Millisecond })
	s.send("team-a", 3)
	s.dead(3, delivery.DeadEndpointDisabled)
}

func TestCircuit_StaysOpenOverARestart(t *testing.T) {
	tests := map[string]struct {
		shared bool
		host   string
	}{
		"the endpoint's own":                 {false, "hooks.example.com"},
		"that of a host":                     {true, "hooks.example.com"},
		"that of a host and port":            {true, "hooks.example.com:8443"},
		"that of an address":                 {true, "[2001:db8::1]:8443"},
		"that of a host with an underscore":  {true, "my_hooks.example_2.com"},
		"that of a host with other signs":    {true, "*.%>.example.com"},
		"that of a host that looks escaped":  {true, "%5F.example.com"},
		"that of an address with a zone":     {true, "[fe80::1%eth 0]"},
		"that of a host that is a wild card": {true, "*"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, answerStatus(http.StatusBadGateway))
			s := start(t, nil)
			s.one(r)
			s.subs[0].Retry.Delays = make([]time.Duration, 100)
			s.changeEndpoint(func(e *delivery.Endpoint) {
				e.ShareCircuit, e.Host = tc.shared, tc.host
				e.Breaker.OpenDuration, e.Breaker.MaxOpenDuration = time.Hour, time.Hour
			})
			s.send("team-a", 50)
			s.stored(50)
			_, before := r.distinct()
			s.down()
			s.up()
			s.stored(50)
			if state := s.circuitState(); state != breaker.Open {
				t.Errorf("circuit %s after the restart, want it Open", state)
			}
			if _, total := r.distinct(); total != before {
				t.Errorf("%d requests after the restart, want none", total-before)
			}
		})
	}
}

func TestCircuit_IsToldOfARequestThatItLetThrough(t *testing.T) {
	release := make(chan struct{})
	r := newReceiver(t, func(http.ResponseWriter, *http.Request, int) { <-release })
	s := start(t, nil)
	s.one(r)
	s.send("team-a", 3)
	s.eventually("requests are in flight", r.got(3))
	s.d.mu.Lock()
	before := s.d.lanes[s.endpoints[0].Name].circuit
	s.d.mu.Unlock()
	s.changeEndpoint(func(e *delivery.Endpoint) { e.ShareCircuit = true })
	close(release)
	s.delivered(3)
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	after := s.d.lanes[s.endpoints[0].Name].circuit
	if before == after || before.breaker.Snapshot().LastSuccess.IsZero() || !after.breaker.Snapshot().LastSuccess.IsZero() {
		t.Error("the results went to the circuit that the lane stands behind now")
	}
}

func TestLane_KeepsToItsConcurrency(t *testing.T) {
	var now, most atomic.Int64
	r := newReceiver(t, func(http.ResponseWriter, *http.Request, int) {
		n := now.Add(1)
		defer now.Add(-1)
		m := most.Load()
		for n > m && !most.CompareAndSwap(m, n) {
			m = most.Load()
		}
	})
	s := start(t, nil)
	s.one(r)
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Concurrency = 3 })
	s.send("team-a", 300)
	s.delivered(300)
	if most.Load() > 3 {
		t.Errorf("%d requests at once, want 3 at most", most.Load())
	}
}

func TestLane_KeepsToItsRateOverAChangeOfSpec(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	s.one(r)
	limit := func(e *delivery.Endpoint) { e.Rate, e.Burst = 0.0001, 5 }
	s.changeEndpoint(limit)
	s.send("team-a", 20)
	s.eventually("the burst arrived", r.got(5))
	s.changeEndpoint(limit)
	s.stored(15)
	if _, total := r.distinct(); total != 5 {
		t.Errorf("%d requests, want the burst of 5: a change of spec grants no other", total)
	}
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Rate = 0 })
	s.delivered(20)
}

func TestLane_HangingHoldsBackNoOther(t *testing.T) {
	release := make(chan struct{})
	hanging := newReceiver(t, func(http.ResponseWriter, *http.Request, int) { <-release })
	r := newReceiver(t, nil)
	s := start(t, func(o *Options) { o.MaxUnsettled = 10 * time.Millisecond })
	s.one(r)
	s.endpoints = append(s.endpoints, s.endpoint("team-a", "hanging", hanging.URL, nil))
	s.subs = append(s.subs, s.subscription("team-a", "stuck", s.endpoints[1].Name, nil))
	s.load()
	s.send("team-a", 100)
	s.eventually("the others arrived", r.got(100))
	s.eventually("all events are settled", func() bool {
		s.d.mu.Lock()
		defer s.d.mu.Unlock()
		return s.d.storedFloor == 100
	})
	close(release)
	s.delivered(200)
	if distinct, total := hanging.distinct(); distinct != 100 || total != 100 {
		t.Errorf("%d deliveries in %d requests, want 100 in 100: a late outcome counts once", distinct, total)
	}
	if a := s.d.Account(); a.Unaccounted() != 0 || a.Memory+a.Stored != 0 {
		t.Errorf("account %+v, want nothing left", a)
	}
}
