// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"math"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// share is what a namespace of these tests may hold.
const share = 200 << 10

// shared gives every namespace the share.
func shared(o *Options) { o.Share = func(string) int64 { return share } }

// offer posts n events of the namespace as ingest does, and returns how many were taken.
func (s *system) offer(namespace string, n int) (taken int) {
	s.t.Helper()
	for range n {
		record := s.record(namespace)
		size := eventlog.EventSize(namespace, len(record))
		if _, ok := s.d.Admit(namespace, size); !ok {
			return taken
		}
		if _, err := s.log.Append(s.t.Context(), namespace, [][]byte{record}); err != nil {
			s.t.Fatal(err)
		}
		taken++
	}
	return taken
}

// held is what the log really holds of a namespace: events, waiting deliveries and dead letters.
func (s *system) held(namespace string) (bytes int64, events, dead int) {
	s.t.Helper()
	count := func(n *int) func(eventlog.Size) {
		return func(m eventlog.Size) {
			if m.Namespace == namespace {
				*n++
				bytes += int64(m.Bytes)
			}
		}
	}
	if err := s.log.EventSizes(s.t.Context(), 1, math.MaxUint64, count(&events)); err != nil {
		s.t.Fatal(err)
	}
	if err := s.log.DeadLetterSizes(s.t.Context(), 1, math.MaxUint64, count(&dead)); err != nil {
		s.t.Fatal(err)
	}
	return bytes, events, dead
}

// trimmed is how many messages of a stream were trimmed, since a share or the storage was full.
func (s *system) trimmed(stream, full string) float64 {
	return testutil.ToFloat64(s.d.metrics.trimmed.WithLabelValues(stream, full))
}

func TestShare_TrimsTheSettledEventsOfTheTenantAlone(t *testing.T) {
	s := start(t, shared)
	s.one(newReceiver(t, nil))
	s.offer("team-b", 100)
	before, kept, _ := s.held("team-b")
	const garbage = 5_000 // nobody wants them
	sent := 0
	s.eventually("the garbage is taken", func() bool {
		sent += s.offer("garbage", garbage-sent)
		return sent == garbage
	})
	s.eventually("the garbage is trimmed to the share", func() bool {
		bytes, _, _ := s.held("garbage")
		return bytes <= share
	})
	_, left, _ := s.held("garbage")
	s.eventually("what was trimmed is counted", func() bool { return s.trimmed("events", fullShare) == float64(garbage-left) })
	if left < 100 {
		t.Errorf("%d events are left, want about as many as the share holds", left)
	}
	if after, events, _ := s.held("team-b"); after != before || events != kept {
		t.Errorf("another tenant has %d events of %d bytes, want its %d of %d", events, after, kept, before)
	}
	if taken := s.offer("team-b", 10); taken != 10 {
		t.Errorf("another tenant could store %d of 10 events", taken)
	}
}

func TestShare_TrimsSettledThingsBeforeItRefuses(t *testing.T) {
	r := newReceiver(t, answerStatus(http.StatusUnprocessableEntity))
	s := start(t, shared)
	s.one(r)
	s.subs[0].Retry.GiveUpOn = []int{http.StatusUnprocessableEntity}
	s.load()
	s.offer("team-a", 100)
	s.dead(100, "GaveUp")
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = true })
	refused := 0
	s.eventually("only what waits is left, and fills the share", func() bool {
		if refused++; s.offer("team-a", 50) == 50 {
			refused = 0
		}
		return refused > 3 && s.settled()
	})
	if _, ok := s.d.Admit("team-b", 1000); !ok {
		t.Error("another tenant is refused")
	}
	s.d.Return("team-b", 1000)
	s.eventually("events and dead letters are trimmed", func() bool {
		_, events, dead := s.held("team-a")
		return events == 0 && dead == 0
	})
	if got := s.trimmed("dead_letters", fullShare); got != 100 {
		t.Errorf("%v dead letters count as trimmed, want 100", got)
	}
	s.eventually("the status says so", func() bool { return s.reports.subscription(s.subs[0].Name).OverShare })

	r.set(nil)
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = false })
	s.eventually("what waited is delivered", func() bool { a := s.d.Account(); return a.Memory+a.Stored == 0 })
	s.eventually("the tenant is let in again", func() bool { return s.offer("team-a", 1) == 1 })
	s.eventually("the status says so", func() bool { return !s.reports.subscription(s.subs[0].Name).OverShare })
}

func TestShare_CountsWhatIsSettledOverARestart(t *testing.T) {
	for name, end := range map[string]func(*system){"after a stop": (*system).down, "after a crash": (*system).crash} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, n int) {
				if n%5 == 0 {
					w.WriteHeader(http.StatusUnprocessableEntity)
				}
			})
			s := start(t, nil)
			s.one(r)
			s.subs[0].Retry.GiveUpOn = []int{http.StatusUnprocessableEntity}
			s.load()
			for range 3 {
				s.send("team-a", 50)
				s.eventually("all ended", func() bool { a := s.d.Account(); return a.Delivered+a.DeadLettered == int64(s.accepted) })
				end(s)
				s.up()
			}
			s.eventually("what is stored is what counts", func() bool {
				s.d.mu.Lock()
				defer s.d.mu.Unlock()
				bytes, events, dead := s.held("team-a")
				u := &s.d.usage
				return u.settled("team-a") == bytes && u.events.of("team-a").Messages == int64(events) &&
					u.dead.of("team-a").Messages == int64(dead) && u.bytes["team-a"] == 0 && events == 150 && dead == 30
			})
		})
	}
}

// settled reports whether no event is unsettled and nothing is in memory.
func (s *system) settled() bool {
	a := s.d.Account()
	last, err := s.log.LastEvent(s.t.Context())
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	return err == nil && a.Memory == 0 && s.d.storedFloor == last
}

func TestShare_OfADeadEndpointUnderLoadLeavesOthersAlone(t *testing.T) {
	const rounds, each = 10, 10
	arrived := make(chan time.Time, 1)
	r := newReceiver(t, func(http.ResponseWriter, *http.Request, int) { arrived <- time.Now() })
	s := start(t, shared)
	s.one(r)
	s.endpoints = append(s.endpoints, s.endpoint("team-b", "dead", "http://127.0.0.1:1", nil))
	s.subs = append(s.subs, s.subscription("team-b", "stuck", s.endpoints[1].Name, nil))
	s.subs[1].Retry.Delays = []time.Duration{time.Hour, time.Hour}
	s.load()
	var alone, beside []time.Duration
	good := func(took *[]time.Duration) {
		for range each {
			begin := time.Now()
			if s.offer("team-a", 1) != 1 {
				t.Fatal("a good tenant could not store an event")
			}
			*took = append(*took, (<-arrived).Sub(begin))
		}
	}
	for range rounds {
		good(&alone)
	}
	s.eventually("the bad tenant is refused", func() bool {
		s.offer("garbage", 20)
		return s.offer("team-b", 20) < 20
	})
	for range rounds {
		s.offer("team-b", 20)
		s.offer("garbage", 200)
		good(&beside)
	}
	slices.Sort(alone)
	slices.Sort(beside)
	t.Logf("from offered to received, in the median and at the 90th of 100: %s and %s alone, %s and %s beside the bad tenant",
		alone[50], alone[90], beside[50], beside[90])
	s.eventually("the good tenant's deliveries are recorded", func() bool {
		return s.reports.subscription(s.subs[0].Name).Counts.Delivered == 2*rounds*each
	})
	f := s.reports.subscription(s.subs[0].Name)
	if f.OverShare || f.Counts.Pending != 0 || f.Delivering != "" {
		t.Errorf("status of the good tenant: %+v", f)
	}
	// It may have been refused only while what it had settled was trimmed: it goes on.
	s.eventually("the bad tenant's status says so", func() bool {
		s.offer("team-b", 20)
		return s.reports.subscription(s.subs[1].Name).OverShare
	})
}
