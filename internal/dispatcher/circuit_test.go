// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/delivery"
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

func TestCircuit_StaysOpenOverARestart(t *testing.T) {
	r := newReceiver(t, answerStatus(http.StatusBadGateway))
	s := start(t, nil)
	s.one(r)
	s.subs[0].Retry.Delays = make([]time.Duration, 100)
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Breaker.OpenDuration, e.Breaker.MaxOpenDuration = time.Hour, time.Hour })
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
