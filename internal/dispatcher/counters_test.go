// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/status"
	"github.com/posthorn-dev/posthorn/internal/wire"
)

// figuresOf are the figures of the first subscription and of its endpoint.
func (s *system) figuresOf() [2]figures {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	return [2]figures{s.d.subs[s.subs[0].Name].figures.bounded(), s.d.lanes[s.endpoints[0].Name].figures.bounded()}
}

// restores starts the system again after it crashed and checks that the figures are those.
func (s *system) restores(want [2]figures) {
	s.t.Helper()
	s.crash()
	s.up()
	if diff := cmp.Diff(want, s.figuresOf(), cmpopts.EquateEmpty()); diff != "" {
		s.t.Errorf("figures of the subscription and the endpoint (-want +got):\n%s", diff)
	}
}

// storedState is a value of the small state as it is stored.
func (s *system) storedState(key eventlog.StateKey) string {
	s.t.Helper()
	state, err := s.log.State(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return string(state[key])
}

func TestCounters_AreStoredWhateverTheirSize(t *testing.T) {
	const objects = 2_000
	r := newReceiver(t, nil)
	s := start(t, nil)
	s.one(r)
	s.send("team-a", 1)
	s.delivered(1)
	nameOf := func(i int) delivery.Name { return delivery.Name{Namespace: "team-b", Name: fmt.Sprintf("s%d", i)} }
	s.d.mu.Lock()
	for i := range objects {
		for n := range recentFailures {
			s.d.sub(nameOf(i)).figures.apply(&delivery.Record{
				First: n == 0, EventID: strings.Repeat("é", event.MaxAttributeBytes/2), EventType: strings.Repeat("t", event.MaxAttributeBytes/2),
				Attempt: n + 1, Attempted: true, Time: time.Unix(int64(n), 0).UTC(), Outcome: delivery.OutcomeDeadLettered,
				Reason: delivery.ReasonStatus5xx, Message: "The endpoint answered 503.",
			}, true)
		}
		s.d.subs[nameOf(i)].figures.DeadLettered = 1
	}
	s.d.mu.Unlock()
	s.d.saveCounters(0)
	s.load() // no routing table waits for them
	s.eventually("the counters are as of the last flush, so that the attempt log is trimmed", func() bool {
		s.d.saveCounters(0)
		s.d.mu.Lock()
		defer s.d.mu.Unlock()
		return s.d.countersFlush == s.d.flushed
	})
	s.d.mu.Lock()
	want := s.d.subs[nameOf(7)].figures.bounded()
	s.d.mu.Unlock()
	for _, f := range want.Failures {
		if utf8.RuneCountInString(f.EventID) != 256 || utf8.RuneCountInString(f.EventType) != 256 {
			t.Fatalf("a failure is kept with %d and %d characters of id and type, want what a status shows", len(f.EventID), len(f.EventType))
		}
	}
	s.crash()
	s.up()
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	if diff := cmp.Diff(want, s.d.sub(nameOf(7)).figures); diff != "" {
		t.Errorf("figures after a restart (-want +got):\n%s", diff)
	}
	if n := len(s.d.subs); n != objects+1 {
		t.Errorf("%d subscriptions are known after a restart, want %d", n, objects+1)
	}
}

func TestCounters_OfDifferentFlushesAddUp(t *testing.T) {
	tests := map[string]struct {
		kinds []string
		mark  bool
	}{
		"nothing of the last storing":           {},
		"the figures of the subscription of it": {kinds: []string{stateSubscriptionFigures}},
		"the figures of the endpoint of it":     {kinds: []string{stateEndpointFigures}},
		"all figures of it, and not the mark":   {kinds: []string{stateSubscriptionFigures, stateEndpointFigures}},
		"all of it":                             {kinds: []string{stateSubscriptionFigures, stateEndpointFigures}, mark: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, n int) {
				if n%3 == 0 {
					w.WriteHeader(http.StatusUnprocessableEntity)
				}
			})
			s := start(t, nil)
			s.one(r)
			ends := func(n int) {
				s.send("team-a", n)
				s.eventually("all ended", func() bool {
					a := s.d.Account()
					return a.Delivered+a.DeadLettered == int64(s.accepted) && a.Memory == 0
				})
			}
			ends(10)
			before := s.d.saveCounters(0)
			ends(5)
			flush, changed := s.d.changedFigures(before)
			if len(changed) == 0 { // the dispatcher itself, which does so every 10 s, has just stored them
				ends(5)
				flush, changed = s.d.changedFigures(before)
			}
			if flush <= before || len(changed) != 2 {
				t.Fatalf("%d figures changed from flush %d to %d, want 2", len(changed), before, flush)
			}
			for _, u := range changed {
				for _, kind := range tc.kinds {
					if u.key.Kind != kind {
						continue
					}
					if err := s.d.storeFigures(flush, []unsaved{u}); err != nil {
						t.Fatal(err)
					}
				}
			}
			if tc.mark {
				s.d.saveCounters(before)
			}
			ends(3)
			s.restores(s.figuresOf())
			s.restores(s.figuresOf()) // with what the restart stored
		})
	}
}

func TestCounters_OfBuildsBeforeAreRead(t *testing.T) {
	for name, missing := range map[string]uint64{"of the last flush": 0, "of the flush before": 1} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, nil)
			s := start(t, nil)
			s.one(r)
			for range 2 {
				s.send("team-a", 1)
				s.delivered(int64(s.accepted))
			}
			s.d.saveCounters(0) // such a build may have come after one that stores each by itself
			flush := s.d.flushed
			s.crash()
			s.openLog(func() {
				value := fmt.Sprintf(`{"flush":%d,"subscriptions":{"team-a/orders":{"matched":%[2]d,"delivered":%[2]d,"failures":[{"EventID":"%[3]s","Attempt":1}]}},`+
					`"endpoints":{"team-a/billing":{"delivered":%[2]d}}}`, flush-missing, 100-missing, strings.Repeat("x", 16_000))
				if err := s.log.PutState(t.Context(), map[eventlog.StateKey][]byte{countersKey: []byte(value)}); err != nil {
					t.Fatal(err)
				}
			})
			s.up()
			s.delivered(100)
			got := s.figuresOf()
			if got[0].Matched != 100 || got[1].Delivered != 100 || len(got[0].Failures) != 1 || utf8.RuneCountInString(got[0].Failures[0].EventID) != 256 {
				t.Errorf("figures are %+v, want 100 deliveries, and a failure that is cut", got)
			}
			s.send("team-a", 1)
			s.delivered(101)
			s.restores(s.figuresOf())
			s.down()
			s.up()
			s.delivered(101)
			if value := s.storedState(countersKey); !strings.HasPrefix(value, `{"version":2,"mark":`) {
				t.Errorf("the counters are stored as %s, want the mark alone", value)
			}
		})
	}
}

func TestCounters_OfADroppedFlushAreTakenBackWhereTheyWereCounted(t *testing.T) {
	r := newReceiver(t, answerStatus(http.StatusInternalServerError))
	s, kept := failing(t, r, false)
	s.cut(kept, "waiting")
	s.openLog(func() { // the subscription's figures hold the second attempt, the endpoint's do not
		_, last, err := s.log.FlushRange(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.log.PutState(t.Context(), map[eventlog.StateKey][]byte{
			countersKey: encodeAs(markVersion, counterMark{last - 1}),
			figuresKey(stateSubscriptionFigures, s.subs[0].Name):  encode(storedFigures{last, figures{Matched: 1, FailedAttempts: 2}}),
			figuresKey(stateEndpointFigures, s.endpoints[0].Name): encode(storedFigures{last - 1, figures{FailedAttempts: 1}}),
		}); err != nil {
			t.Fatal(err)
		}
	})
	r.set(nil)
	s.up()
	s.delivered(1)
	for _, f := range s.figuresOf() {
		if f.FailedAttempts != 1 || f.Delivered != 1 {
			t.Errorf("figures %+v, want the first attempt and the delivery", f)
		}
	}
}

func TestCounters_AreAsOfNoFlushThatIsGone(t *testing.T) {
	t.Parallel()
	d := idle(t)
	name := delivery.Name{Namespace: "team-a", Name: "orders"}
	d.restored = newRestored()
	c := &d.restored.counters
	c.mark = 40
	c.subscriptions[name] = storedFigures{50, figures{Delivered: 5}}
	c.endpoints[name] = storedFigures{30, figures{Delivered: 4}}
	d.restoreCounts()
	d.clampCounts(35)
	if of := [2]uint64{c.asOf(c.subscriptions, name), c.asOf(c.endpoints, name)}; of != [2]uint64{35, 35} {
		t.Errorf("figures are as of flushes %d, want 35", of)
	}
	d.flushed = 36
	if _, changed := d.changedFigures(0); len(changed) != 1 || changed[0].key.Kind != stateSubscriptionFigures {
		t.Errorf("%+v is stored anew, want what was as of a flush that is gone", changed)
	}
}

func TestCounters_AreNotMarkedWhenTheyCannotBeStored(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	s.one(r)
	s.send("team-a", 1)
	s.delivered(1)
	before := s.d.saveCounters(0)
	s.send("team-a", 1)
	s.delivered(2)
	large := delivery.Name{Namespace: "team-a", Name: "large"}
	s.d.mu.Lock()
	s.d.sub(large).figures.Failures = []status.Failure{{Message: strings.Repeat("x", 5<<20)}} // more than any message may have
	s.d.mu.Unlock()
	if again := s.d.saveCounters(before); again != before || s.d.countersFlush != before {
		t.Errorf("the counters are taken to be as of flush %d, want %d", again, before)
	}
	s.d.mu.Lock()
	delete(s.d.subs, large)
	s.d.mu.Unlock()
	if again := s.d.saveCounters(before); again == before || s.d.countersFlush != again {
		t.Errorf("the counters are as of flush %d after all could be stored", again)
	}
	s.restores(s.figuresOf())
}

func TestFormat_OfTheCountersIsKept(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 25, 1, 2, 3, 0, time.UTC)
	name := delivery.Name{Namespace: "team-a", Name: "orders"}
	want := storedFigures{7, figures{Matched: 3, Delivered: 1, FailedAttempts: 2, DeadLettered: 1, LastSuccess: at, LastFailure: at, Failures: []status.Failure{{
		Time: at, EventID: "e1", EventType: "com.example", Attempt: 2, StatusCode: 503, Reason: "Status5xx", Message: "busy", NextAttempt: at,
	}}}}
	const stored = `{"version":1,"flush":7,"matched":3,"delivered":1,"failedAttempts":2,"deadLettered":1,` +
		`"lastSuccess":"2026-11-25T01:02:03Z","lastFailure":"2026-11-25T01:02:03Z",` +
		`"failures":[{"Time":"2026-11-25T01:02:03Z","EventID":"e1","EventType":"com.example","Attempt":2,"StatusCode":503,` +
		`"Reason":"Status5xx","Message":"busy","NextAttempt":"2026-11-25T01:02:03Z"}]}`
	if written := string(encode(want)); written != stored {
		t.Errorf("figures are written as %s, want %s", written, stored)
	}
	r := newRestored()
	for _, kind := range []string{stateSubscriptionFigures, stateEndpointFigures} {
		if err := r.set(figuresKey(kind, name), []byte(stored)); err != nil {
			t.Error(err)
		}
		if err := r.set(figuresKey(kind, name), encodeAs(2, want)); !errors.Is(err, wire.ErrVersion) {
			t.Errorf("%s of another version: %v", kind, err)
		}
	}
	if diff := cmp.Diff([2]storedFigures{want, want}, [2]storedFigures{r.counters.subscriptions[name], r.counters.endpoints[name]}, cmp.AllowUnexported(storedFigures{})); diff != "" {
		t.Errorf("figures are read as others (-want +got):\n%s", diff)
	}
	const mark = `{"version":2,"mark":7}`
	if err := r.set(countersKey, []byte(mark)); err != nil || r.counters.mark != 7 {
		t.Errorf("the mark is read as %d (%v)", r.counters.mark, err)
	}
	if written := string(encodeAs(markVersion, counterMark{7})); written != mark {
		t.Errorf("the mark is written as %s, want %s", written, mark)
	}
	if err := r.set(countersKey, encodeAs(3, counterMark{7})); !errors.Is(err, wire.ErrVersion) {
		t.Errorf("a mark of another version: %v", err)
	}
	var w wholeCounters // as builds before read it
	if err := json.Unmarshal([]byte(mark), &w); err != nil || w.Flush != 0 {
		t.Errorf("builds before read the mark as %+v (%v), want nothing", w, err)
	}
}

func TestCounters_HoldNothingThatNoFlushHolds(t *testing.T) {
	hold := make(chan struct{})
	r := newReceiver(t, nil)
	s := start(t, nil)
	s.one(r)
	s.send("team-a", 1)
	s.delivered(1)
	r.set(func(_ http.ResponseWriter, req *http.Request, _ int) {
		select {
		case <-hold:
		case <-req.Context().Done():
		}
	})
	s.send("team-a", 3)
	s.eventually("they are in flight", r.got(4))
	s.d.saveCounters(0)
	s.crash()
	close(hold)
	s.up()
	s.delivered(4)
	if got := s.figuresOf(); got[0].Matched != 4 {
		t.Errorf("%d events matched, want 4", got[0].Matched)
	}
}

func TestCounters_AreReadAsTheyWereStored(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	s.one(r)
	s.send("team-a", 1)
	s.delivered(1)
	s.down()
	s.openLog(func() {
		_, last, err := s.log.FlushRange(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.recovered(func(d *Dispatcher, _ *checkpoint) {
			if flush, changed := d.changedFigures(0); flush != last || len(changed) != 0 {
				t.Errorf("%d figures are to be stored as of flush %d, want none as of %d: nothing has changed", len(changed), flush, last)
			}
		})
		if err := s.log.PutState(t.Context(), map[eventlog.StateKey][]byte{countersKey: encodeAs(markVersion, counterMark{last + 9})}); err != nil {
			t.Fatal(err)
		}
		s.recovered(func(d *Dispatcher, _ *checkpoint) {
			if d.countersFlush != last {
				t.Errorf("the counters are as of flush %d, want %d, the last that is there", d.countersFlush, last)
			}
		})
	})
	s.cut("", "attempts")
	s.openLog(func() {
		s.recovered(func(d *Dispatcher, _ *checkpoint) {
			if x := d.subs[s.subs[0].Name]; x.figures.Delivered != 1 || x.saved != (tally{}) || d.countersFlush != 0 {
				t.Errorf("without an attempt log the figures are %+v as of flush %d, want what was stored, and to be stored anew", x.figures, d.countersFlush)
			}
		})
	})
}
