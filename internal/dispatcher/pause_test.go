// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"net/http"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/status"
)

func TestPause_DoublesOnlyInARow(t *testing.T) {
	t.Parallel()
	const refused, ok, invalid = http.StatusTooManyRequests, http.StatusOK, http.StatusUnprocessableEntity
	type answer struct {
		at         time.Duration
		status     int
		retryAfter time.Duration
	}
	tests := map[string]struct {
		answers     []answer
		wantBackoff time.Duration
		// wantUntil is when the pause ends, since the beginning.
		wantUntil time.Duration
	}{
		"the first":                      {[]answer{{0, refused, 0}}, time.Second, time.Second},
		"the second in a row":            {[]answer{{0, refused, 0}, {time.Second, refused, 0}}, 2 * time.Second, 3 * time.Second},
		"two side by side":               {[]answer{{0, refused, 0}, {time.Second / 2, refused, 0}}, time.Second, 3 * time.Second / 2},
		"after a success":                {[]answer{{0, refused, 0}, {time.Second, ok, 0}, {2 * time.Second, refused, 0}}, time.Second, 3 * time.Second},
		"after another failure":          {[]answer{{0, refused, 0}, {time.Second, invalid, 0}, {2 * time.Second, refused, 0}}, time.Second, 3 * time.Second},
		"after no answer":                {[]answer{{0, refused, 0}, {time.Second, 0, 0}, {2 * time.Second, refused, 0}}, time.Second, 3 * time.Second},
		"another failure ends the row":   {[]answer{{0, refused, 0}, {time.Second, invalid, 0}}, 0, time.Second},
		"a wish for longer":              {[]answer{{0, refused, 10 * time.Second}}, time.Second, 10 * time.Second},
		"a wish for too long":            {[]answer{{0, refused, time.Hour}}, time.Second, time.Minute},
		"no wish beside one":             {[]answer{{0, refused, 10 * time.Second}, {time.Second, refused, 0}}, time.Second, 10 * time.Second},
		"a success beside two":           {[]answer{{0, refused, 0}, {1, ok, 0}, {2, refused, 0}}, time.Second, time.Second + 2},
		"a failure beside two, and wish": {[]answer{{0, refused, 9 * time.Second}, {1, invalid, 0}, {2, refused, 0}}, time.Second, 9 * time.Second},
	}
	reasons := map[int]delivery.FailureReason{
		0: delivery.ReasonTimeout, ok: delivery.ReasonNone, invalid: delivery.ReasonStatus4xx, refused: delivery.ReasonRateLimited,
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			d, l := &Dispatcher{}, &lane{}
			for _, a := range tc.answers {
				r := &delivery.Response{StatusCode: a.status, Reason: reasons[a.status], RetryAfter: a.retryAfter}
				d.judge(&task{lane: l}, r, began.Add(a.at))
			}
			if until := l.paused.Sub(began); l.backoff != tc.wantBackoff || until != tc.wantUntil {
				t.Errorf("the last pause was %s and ends after %s, want %s and %s", l.backoff, until, tc.wantBackoff, tc.wantUntil)
			}
		})
	}
}

func TestPause_OutlastsWhatDoesNotSpeakForTheEndpoint(t *testing.T) {
	t.Parallel()
	for _, reason := range []delivery.FailureReason{delivery.ReasonPayload, delivery.ReasonBlocked} {
		now := time.Now()
		d, l := &Dispatcher{}, &lane{}
		refused := &delivery.Response{StatusCode: http.StatusTooManyRequests, Reason: delivery.ReasonRateLimited}
		d.judge(&task{lane: l}, refused, now)
		d.judge(&task{lane: l}, &delivery.Response{Reason: reason}, now.Add(minPause))
		d.judge(&task{lane: l}, refused, now.Add(minPause))
		if l.backoff != 2*minPause {
			t.Errorf("after %s the pause is %s, want %s: the two refusals are in a row", reason, l.backoff, 2*minPause)
		}
	}
}

func TestPause_IsNoLongerTheReasonAfterAnotherAnswer(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 2 {
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		if n == 3 {
			w.Header().Set("Retry-After", "3600")
		}
		w.WriteHeader(http.StatusTooManyRequests)
	})
	s := start(t, nil)
	s.one(r)
	s.subs[0].Retry.Delays = []time.Duration{time.Millisecond, 2 * time.Hour}
	s.send("team-a", 1)
	s.eventually("it was asked again", func() bool { _, total := r.distinct(); return total == 2 })
	s.eventually("the status calls it failing", func() bool {
		return s.reports.subscription(s.subs[0].Name).Delivering == status.Failing
	})
	s.send("team-a", 1)
	s.eventually("it was asked for another event", r.got(2))
	s.eventually("the status calls it throttled", func() bool {
		return s.reports.subscription(s.subs[0].Name).Delivering == status.Throttled
	})
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	if got := s.d.lanes[s.endpoints[0].Name].backoff; got != minPause {
		t.Errorf("a pause of %s, want %s: it is the first in a row", got, minPause)
	}
}

func TestPause_HoldsAllThatIsForTheEndpoint(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	s := start(t, nil)
	s.one(r)
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Concurrency = 1 })
	const n = 20
	s.send("team-a", n)
	s.d.mu.Lock()
	l, x := s.d.lanes[s.endpoints[0].Name], s.d.subs[s.subs[0].Name]
	s.d.mu.Unlock()
	s.eventually("the lane was looked at with all events in it, and rests", func() bool {
		s.d.mu.Lock()
		defer s.d.mu.Unlock()
		return x.figures.Matched == n && l.workers == 0
	})
	if _, total := r.distinct(); total != 1 {
		t.Errorf("%d requests, want the first alone", total)
	}
	s.eventually("the retry is due too, and waits", func() bool {
		s.d.mu.Lock()
		defer s.d.mu.Unlock()
		s.d.pump(l, time.Now())
		return l.workers > 0 || len(l.backlog) > 0 && l.backlog[0].due > 0 && l.backlog[0].due <= time.Now().UnixMilli()
	})
	if _, total := r.distinct(); total != 1 {
		t.Errorf("%d requests, want the first alone", total)
	}
	r.set(nil)
	s.d.mu.Lock()
	l.paused = time.Time{}
	s.d.pump(l, time.Now())
	s.d.mu.Unlock()
	s.delivered(n)
	if distinct, total := r.distinct(); distinct != n || total != n+1 {
		t.Errorf("%d deliveries in %d requests, want %d in %d", distinct, total, n, n+1)
	}
}
