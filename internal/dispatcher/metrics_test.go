// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// readings reads the metrics of a system.
type readings struct {
	t        *testing.T
	registry *prometheus.Registry
}

// startMeasured starts a system whose metrics can be read.
func startMeasured(t *testing.T) (*system, readings) {
	t.Helper()
	r := readings{t, prometheus.NewRegistry()}
	return start(t, func(o *Options) { o.Registerer = r.registry }), r
}

// measured is the value of a gauge, or what a histogram has measured.
type measured struct {
	gauge, sum float64
	count      uint64
	// within is how many of the measured are in each bucket or below it.
	within map[float64]uint64
}

// metric reads the metric of that name with the value of its label; empty where it has none.
func (r readings) metric(name, label string) (found measured) {
	r.t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			value := ""
			for _, l := range m.GetLabel() {
				value += l.GetValue()
			}
			if f.GetName() != name || value != label {
				continue
			}
			h := m.GetHistogram()
			found = measured{m.GetGauge().GetValue(), h.GetSampleSum(), h.GetSampleCount(), map[float64]uint64{}}
			for _, b := range h.GetBucket() {
				found.within[b.GetUpperBound()] = b.GetCumulativeCount()
			}
			return found
		}
	}
	r.t.Fatalf("there is no metric %s %s", name, label)
	return found
}

// gauge is the value of a gauge.
func (r readings) gauge(name, label string) float64 {
	r.t.Helper()
	return r.metric(name, label).gauge
}

func TestMetrics_ShowTheAgeOfTheOldest(t *testing.T) {
	const name = "posthorn_dispatcher_oldest_pending_seconds"
	s, r := startMeasured(t)
	s.one(newReceiver(t, nil))
	if got := r.gauge(name, ""); got != 0 {
		t.Errorf("the oldest of nothing is %v seconds old", got)
	}
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = true })
	began := time.Now().Truncate(time.Second) // storage knows no less
	s.send("team-a", 3)
	s.stored(3)
	ended := time.Now()
	s.d.mu.Lock()
	s.d.lanes[s.endpoints[0].Name].backlog[1].accepted -= 3600
	s.d.mu.Unlock()
	least := time.Since(ended.Add(-time.Hour)).Seconds()
	got := r.gauge(name, "")
	if most := time.Since(began.Add(-time.Hour)).Seconds(); got < least || got > most {
		t.Errorf("the oldest is %v seconds old, want between %v and %v", got, least, most)
	}
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = false })
	s.delivered(3)
	if got := r.gauge(name, ""); got != 0 {
		t.Errorf("the oldest is %v seconds old when all are delivered", got)
	}
}

func TestMetrics_CountCircuitsByState(t *testing.T) {
	s, r := startMeasured(t)
	s.one(newReceiver(t, nil))
	bad := newReceiver(t, answerStatus(http.StatusServiceUnavailable))
	for _, name := range []string{"bad", "worse"} {
		e := s.endpoint("team-a", name, bad.URL, func(e *delivery.Endpoint) {
			e.Breaker.OpenDuration, e.Breaker.MaxOpenDuration = time.Hour, time.Hour
		})
		s.endpoints = append(s.endpoints, e)
		s.subs = append(s.subs, s.subscription("team-a", "to-"+name, e.Name, func(x *delivery.Subscription) {
			x.Retry.Delays = make([]time.Duration, 100)
		}))
	}
	s.load()
	states := func() (got [3]float64) {
		for i, state := range []breaker.State{breaker.Closed, breaker.Open, breaker.HalfOpen} {
			got[i] = r.gauge("posthorn_dispatcher_circuits", string(state))
		}
		return got
	}
	if got := states(); got != [3]float64{3, 0, 0} {
		t.Errorf("circuits closed, open and half-open: %v, want all closed", got)
	}
	s.send("team-a", 10)
	s.eventually("two circuits are open", func() bool { return states() == [3]float64{1, 2, 0} })
	s.eventually("what was in flight when it opened is back, and a probe is let through", func() bool {
		s.d.mu.Lock()
		defer s.d.mu.Unlock()
		ok, _ := s.d.circuits[keyOf(s.endpoints[1])].breaker.Acquire(time.Now().Add(2 * time.Hour))
		return ok
	})
	if got := states(); got != [3]float64{1, 1, 1} {
		t.Errorf("circuits closed, open and half-open: %v, want one each", got)
	}
}

func TestMetrics_SayWhetherTheEngineRuns(t *testing.T) {
	const name = "posthorn_dispatcher_engine_up"
	s, r := startMeasured(t)
	if got := r.gauge(name, ""); got != 0 {
		t.Errorf("%v without a routing table, want 0", got)
	}
	s.one(newReceiver(t, nil))
	if got := r.gauge(name, ""); got != 1 {
		t.Errorf("%v with one, want 1", got)
	}
	s.d.fail(errors.New("lost the shard"))
	if got := r.gauge(name, ""); got != 0 {
		t.Errorf("%v after a failure, want 0", got)
	}
	s.crash()
}

func TestMetrics_ShowHowLongAttemptsTake(t *testing.T) {
	const name = "posthorn_dispatcher_attempt_duration_seconds"
	release := make(chan struct{})
	receiver := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 1 {
			<-release
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	s, r := startMeasured(t)
	s.one(receiver)
	if got := r.metric(name, "").count; got != 0 {
		t.Errorf("%d attempts were measured before any", got)
	}
	began := time.Now()
	s.send("team-a", 1)
	s.eventually("it is in flight", receiver.got(1))
	arrived := time.Now()
	const bucket = 0.01 // which the first attempt is not in
	s.eventually("it takes its time", func() bool { return time.Since(arrived).Seconds() > bucket })
	least := time.Since(arrived).Seconds()
	close(release)
	s.delivered(1)
	most := 2 * time.Since(began).Seconds() // of two attempts
	got := r.metric(name, "")
	if got.count != 2 || got.sum < least || got.sum > most {
		t.Errorf("%d attempts of %v seconds, want 2 of %v to %v", got.count, got.sum, least, most)
	}
	if n := got.within[bucket]; n > 1 {
		t.Errorf("%d attempts took less than %v seconds, want the second alone", n, bucket)
	}
}
