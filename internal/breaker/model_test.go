// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package breaker_test

import (
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/breaker"
)

// model is the circuit as one would describe it, which knows of every request when it began, and so
// never needs to wait for late ones in order to tell them from probes.
type model struct {
	config   breaker.Config
	failures int
	good     int
	open     bool // open or half-open
	openFor  time.Duration
	due      time.Time
	// inFlight holds for each request whether it is a probe.
	inFlight []bool
}

// mayStart says whether a request may start: always while closed, and else when the probe is due and
// nothing is in flight.
func (m *model) mayStart(now time.Time) bool {
	return !m.open || !now.Before(m.due) && len(m.inFlight) == 0
}

// finish ends the oldest request with a verdict; "" releases it.
func (m *model) finish(v breaker.Verdict, now time.Time) {
	probe := m.inFlight[0]
	m.inFlight = m.inFlight[1:]
	if m.open && !probe {
		return
	}
	switch v {
	case breaker.Success:
		m.failures = 0
		if !m.open {
			return
		}
		m.good++
		if m.good >= m.config.Probes {
			m.open = false
		}
	case breaker.Failure:
		m.failures++
		switch {
		case m.open:
			m.openFor = min(2*m.openFor, m.config.MaxOpenDuration)
		case m.failures >= m.config.FailureThreshold:
			m.open = true
			m.openFor = m.config.OpenDuration
		default:
			return
		}
		m.good = 0
		m.due = now.Add(m.openFor)
	}
}

func FuzzBreaker_AgreesWithModel(f *testing.F) {
	f.Add([]byte{0, 2, 0, 2, 0, 2, 15, 0, 1, 0, 1})
	f.Add([]byte{0, 0, 0, 0, 2, 2, 2, 15, 0, 1, 0, 2, 15, 15, 0, 3, 0, 4, 0, 1, 5})
	f.Fuzz(func(t *testing.T, steps []byte) {
		now := epoch
		b := breaker.New(config, now)
		m := &model{config: config}
		verdicts := []breaker.Verdict{breaker.Success, breaker.Failure, breaker.Neutral}
		for i, step := range steps {
			switch {
			case step == 0:
				want := m.mayStart(now)
				got, wait := b.Acquire(now)
				if got != want {
					t.Fatalf("step %d: Acquire() = %t, the model says %t", i, got, want)
				}
				if got {
					m.inFlight = append(m.inFlight, m.open)
				} else if wait > 0 && !now.Add(wait).Equal(m.due) {
					t.Fatalf("step %d: a wait of %s, the model says until %s", i, wait, m.due)
				}
			case step <= 3 && len(m.inFlight) > 0:
				wasOpen := b.State()
				m.finish(verdicts[step-1], now)
				if changed := b.Record(verdicts[step-1], now); changed != (wasOpen != b.State()) {
					t.Fatalf("step %d: Record() = %t from %s to %s", i, changed, wasOpen, b.State())
				}
			case step == 4 && len(m.inFlight) > 0:
				m.finish("", now)
				b.Release(now)
			case step == 5:
				// A restart forgets what is in flight, and a probe that was is due again.
				if b.State() == breaker.HalfOpen {
					m.due, m.good = now, 0
				}
				m.inFlight = nil
				b = breaker.Restore(config, b.Snapshot(), now)
			case step > 5:
				now = now.Add(time.Duration(step) * time.Second)
			}
			compare(t, i, b, m)
		}
	})
}

// compare holds the Breaker against the model.
func compare(t *testing.T, step int, b *breaker.Breaker, m *model) {
	t.Helper()
	s := b.Snapshot()
	if (s.State != breaker.Closed) != m.open || s.ConsecutiveFailures != m.failures {
		t.Fatalf("step %d: %s with %d failures, the model says open: %t with %d", step, s.State, s.ConsecutiveFailures, m.open, m.failures)
	}
	if m.open && (!s.NextProbe.Equal(m.due) || s.OpenFor != m.openFor) {
		t.Fatalf("step %d: opens %s for %s, the model says %s for %s", step, s.NextProbe, s.OpenFor, m.due, m.openFor)
	}
}
