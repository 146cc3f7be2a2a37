// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/deliverylog"
	"github.com/posthorn-dev/posthorn/internal/payload"
	"github.com/posthorn-dev/posthorn/internal/retry"
)

// queryOf asks for all records of a namespace.
func queryOf(namespace string) deliverylog.Query { return deliverylog.Query{Namespace: namespace} }

// annotate gives the first endpoint a value of posthorn.dev/enable, and no new generation.
func (s *system) annotate(value string) {
	s.t.Helper()
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Generation--; e.Enable = value })
}

func TestGone_DisablesUntilTheSpecOrTheAnnotationChanges(t *testing.T) {
	tests := map[string]struct {
		enable      func(s *system)
		wantHandled string
	}{
		"a new generation": {func(s *system) { s.changeEndpoint(func(*delivery.Endpoint) {}) }, "before"},
		"the annotation":   {func(s *system) { s.annotate("now") }, "now"},
		"an object anew": {
			func(s *system) { s.changeEndpoint(func(e *delivery.Endpoint) { e.Generation--; e.UID = "another" }) }, "before",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, answerStatus(http.StatusGone))
			s := start(t, nil)
			s.one(r)
			s.annotate("before")
			s.send("team-a", 30)
			s.dead(30, delivery.DeadEndpointDisabled)
			s.eventually("the status says so", func() bool {
				return !s.reports.endpoint(s.endpoints[0].Name).DisabledSince.IsZero()
			})
			r.set(nil)
			for n, leave := range []func(){
				func() { s.annotate("") }, // taking it away does nothing
				func() { s.down(); s.up() },
				func() { s.annotate("before") }, // it was acted on
				func() { s.crash(); s.up() },
			} {
				leave()
				s.send("team-a", 1)
				s.dead(int64(31+n), delivery.DeadEndpointDisabled)
			}
			tc.enable(s)
			s.send("team-a", 3)
			s.delivered(3)
			s.eventually("the status says what was acted on", func() bool {
				return s.reports.endpoint(s.endpoints[0].Name).HandledEnable == tc.wantHandled
			})
		})
	}
}

func TestDisableAfter_CountsTheTimeBeforeARestart(t *testing.T) {
	r := newReceiver(t, answerStatus(http.StatusInternalServerError))
	s := start(t, nil)
	s.one(r)
	s.subs[0].Retry.Delays = make([]time.Duration, 10_000)
	s.changeEndpoint(func(e *delivery.Endpoint) { e.DisableAfter = time.Hour })
	s.send("team-a", 3)
	s.eventually("attempts failed", func() bool { return s.reports.endpoint(s.endpoints[0].Name).Counts.FailedAttempts > 0 })
	s.down()
	s.up()
	s.d.mu.Lock()
	since := s.d.lanes[s.endpoints[0].Name].failingSince
	s.d.mu.Unlock()
	if since.IsZero() {
		t.Error("the restart forgot since when the endpoint fails")
	}
	s.changeEndpoint(func(e *delivery.Endpoint) { e.DisableAfter = time.Nanosecond })
	s.dead(3, delivery.DeadEndpointDisabled)
}

func TestDisableAfter_GivesGraceWhenEnabled(t *testing.T) {
	for name, enable := range map[string]func(s *system){
		"by the annotation": func(s *system) { s.annotate("now") },
		"by the spec":       func(s *system) { s.changeEndpoint(func(*delivery.Endpoint) {}) },
		"by the annotation, over a restart": func(s *system) {
			s.annotate("now")
			s.down()
			s.up()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, nil)
			s.one(newReceiver(t, answerStatus(http.StatusInternalServerError)))
			s.subs[0].Retry.Delays = []time.Duration{time.Hour, time.Hour}
			// The first failure begins the time, and any later one is beyond it.
			s.changeEndpoint(func(e *delivery.Endpoint) { e.DisableAfter, e.Concurrency = time.Nanosecond, 1 })
			disabled := func() bool {
				s.d.mu.Lock()
				defer s.d.mu.Unlock()
				return s.d.lanes[s.endpoints[0].Name].disabled != nil
			}
			s.send("team-a", 2)
			s.eventually("it is disabled", disabled)
			s.dead(2, delivery.DeadEndpointDisabled)

			enable(s)
			s.send("team-a", 1)
			s.stored(1)
			if disabled() {
				t.Error("the first failure disabled it again: what failed before counts")
			}
			s.send("team-a", 1)
			s.eventually("it is disabled again", disabled)
			s.dead(4, delivery.DeadEndpointDisabled)
		})
	}
}

func TestGiveUpOn_EndsAtTheStatus(t *testing.T) {
	r := newReceiver(t, answerStatus(http.StatusUnprocessableEntity))
	s := start(t, nil)
	s.one(r)
	s.subs[0].Retry.GiveUpOn = []int{http.StatusUnprocessableEntity}
	s.send("team-a", 3)
	s.dead(3, delivery.DeadGaveUp)
	if _, total := r.distinct(); total != 3 {
		t.Errorf("%d requests, want one each", total)
	}
}

func TestRetryAfter_PostponesTheNextAttempt(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	s := start(t, nil)
	s.one(r)
	s.subs[0].Retry.Delays = []time.Duration{time.Millisecond, 2 * time.Hour}
	s.send("team-a", 1)
	s.stored(1)
	page, err := s.d.attempts.Query(t.Context(), queryOf("team-a"))
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("%d records, error %v; want 1", len(page.Items), err)
	}
	if wait := page.Items[0].NextAttempt.Sub(page.Items[0].Time); wait < time.Hour || wait > 90*time.Minute {
		t.Errorf("next attempt after %s, want an hour", wait)
	}
}

func TestPayload_ThatFailsIsDeadLettered(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	s.one(r)
	plan, err := payload.NewPlan(payload.FormatData, "event.data.missing")
	if err != nil {
		t.Fatal(err)
	}
	s.changeSubscription(func(x *delivery.Subscription) { x.Payload = plan })
	s.send("team-a", 3)
	s.dead(3, delivery.DeadPayloadFailed)
	if _, total := r.distinct(); total != 0 {
		t.Errorf("%d requests, want none", total)
	}
}

func TestDeadLetterEndpoint_GetsTheReasonInHeaders(t *testing.T) {
	r := newReceiver(t, answerStatus(http.StatusUnprocessableEntity))
	var mu sync.Mutex
	var got http.Header
	dead := newReceiver(t, func(_ http.ResponseWriter, req *http.Request, _ int) {
		mu.Lock()
		defer mu.Unlock()
		got = req.Header.Clone()
	})
	s := start(t, nil)
	s.one(r)
	s.endpoints = append(s.endpoints, s.endpoint("team-a", "dead", dead.URL, nil))
	s.changeSubscription(func(x *delivery.Subscription) { x.DeadLetter = &s.endpoints[1].Name })
	s.send("team-a", 1)
	s.dead(1, delivery.DeadRetriesExhausted)
	s.eventually("the dead letter arrived", dead.got(1))
	mu.Lock()
	defer mu.Unlock()
	for name, want := range map[string]string{
		delivery.HeaderDeadLetterReason: "RetriesExhausted", delivery.HeaderDeadLetterSubscription: "team-a/orders",
		delivery.HeaderDeadLetterEndpoint: "team-a/billing", delivery.HeaderDeadLetterAttempts: "4",
		delivery.HeaderDeadLetterStatusCode: "422", delivery.HeaderDeadLetterFailure: "Status4xx",
	} {
		if got.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Get(name), want)
		}
	}
}

// deadLetterEndpoint sends what ends to another endpoint, and tries there again as the platform says.
func deadLetterEndpoint(t *testing.T, dead *receiver, platform *retry.Policy) *system {
	t.Helper()
	s := start(t, func(o *Options) { o.Retry = platform })
	s.one(newReceiver(t, answerStatus(http.StatusGone)))
	s.endpoints = append(s.endpoints, s.endpoint("team-a", "dead", dead.URL, nil))
	s.changeSubscription(func(x *delivery.Subscription) { x.DeadLetter = &s.endpoints[1].Name })
	s.send("team-a", 1)
	return s
}

// attemptsAtDead waits until the delivery to the dead-letter endpoint has ended, and returns the outcomes of its
// attempts, the first one first.
func (s *system) attemptsAtDead(n int) []string {
	s.t.Helper()
	var got []string
	s.eventually("the delivery of the dead letter has ended", func() bool {
		page, err := s.d.attempts.Query(s.t.Context(), deliverylog.Query{Namespace: "team-a", Endpoint: "dead"})
		got = nil
		for _, r := range page.Items {
			got = append(got, strings.TrimSpace(fmt.Sprintf("%d %s %s", r.StatusCode, r.Outcome, r.DeadLetter)))
		}
		slices.Reverse(got)
		return err == nil && len(got) == n
	})
	return got
}

func TestDeadLetterEndpoint_IsTriedAgainByThePlatformsSchedule(t *testing.T) {
	dead := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n <= 2 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	s := deadLetterEndpoint(t, dead, &retry.Policy{Delays: make([]time.Duration, 3)})
	want := []string{"500 Retry", "500 Retry", "200 Delivered"}
	if diff := cmp.Diff(want, s.attemptsAtDead(len(want))); diff != "" {
		t.Error(diff)
	}
	if distinct, total := dead.distinct(); distinct != 1 || total != 3 {
		t.Errorf("%d deliveries in %d requests, want one in 3", distinct, total)
	}
	s.dead(1, delivery.DeadEndpointDisabled)
}

func TestDeadLetterEndpoint_ThatExhaustsThePlatformsScheduleIsRecorded(t *testing.T) {
	dead := newReceiver(t, answerStatus(http.StatusInternalServerError))
	s := deadLetterEndpoint(t, dead, &retry.Policy{Delays: make([]time.Duration, 2)})
	want := []string{"500 Retry", "500 Retry", "500 DeadLettered RetriesExhausted"}
	if diff := cmp.Diff(want, s.attemptsAtDead(len(want))); diff != "" {
		t.Error(diff)
	}
	s.eventually("nothing of it waits", func() bool {
		s.d.mu.Lock()
		defer s.d.mu.Unlock()
		return len(s.d.lanes[s.endpoints[1].Name].backlog) == 0 && s.d.usage.bytes["team-a"] == 0
	})
	s.dead(1, delivery.DeadEndpointDisabled) // and no other
	if _, total := dead.distinct(); total != 3 {
		t.Errorf("%d requests, want the 3 of the schedule", total)
	}
}

func TestDeadLetterEndpoint_KeepsToThePlatformsAge(t *testing.T) {
	dead := newReceiver(t, answerStatus(http.StatusInternalServerError))
	s := deadLetterEndpoint(t, dead, &retry.Policy{Delays: []time.Duration{time.Hour}, MaxAge: time.Millisecond})
	s.eventually("the dead letter's own end is recorded", func() bool {
		s.d.mu.Lock()
		s.d.signalSweep()
		s.d.mu.Unlock()
		page, err := s.d.attempts.Query(t.Context(), deliverylog.Query{Namespace: "team-a", Endpoint: "dead", Outcome: delivery.OutcomeDeadLettered})
		return err == nil && len(page.Items) == 1 && page.Items[0].DeadLetter == delivery.DeadExpired
	})
	s.dead(1, delivery.DeadEndpointDisabled)
}

func TestDeadLetterEndpoint_ThatFailsMakesNoDeadLetterOfDeadLetters(t *testing.T) {
	r := newReceiver(t, answerStatus(http.StatusGone))
	s := start(t, nil)
	s.one(r)
	s.endpoints = append(s.endpoints, s.endpoint("team-a", "dead", r.URL+"/dead", nil))
	s.changeSubscription(func(x *delivery.Subscription) { x.DeadLetter = &s.endpoints[1].Name })
	s.send("team-a", 1)
	s.eventually("the dead letter's own end is recorded", func() bool {
		page, err := s.d.attempts.Query(t.Context(), deliverylog.Query{Namespace: "team-a", Endpoint: "dead", Outcome: delivery.OutcomeDeadLettered})
		return err == nil && len(page.Items) == 1
	})
	s.dead(1, delivery.DeadEndpointDisabled)
}

func TestDeadLetterEndpoint_OfAnotherNamespaceNeedsItsGrant(t *testing.T) {
	r := newReceiver(t, answerStatus(http.StatusGone))
	other := newReceiver(t, nil)
	s := start(t, nil)
	s.one(r)
	s.endpoints = append(s.endpoints, s.endpoint("team-b", "dead", other.URL, nil))
	s.changeSubscription(func(x *delivery.Subscription) { x.DeadLetter = &s.endpoints[1].Name })
	s.send("team-a", 1)
	s.dead(1, delivery.DeadEndpointDisabled)
	s.eventually("the dead letter waits for the grant", func() bool {
		s.d.mu.Lock()
		defer s.d.mu.Unlock()
		l := s.d.lanes[s.endpoints[1].Name]
		return l.workers == 0 && len(l.backlog) == 1 && l.backlog[0].due > time.Now().UnixMilli()
	})
	if _, total := other.distinct(); total != 0 {
		t.Errorf("%d requests without a grant, want none", total)
	}
}
