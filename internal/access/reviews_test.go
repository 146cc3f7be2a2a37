// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// oracle answers questions as a test tells it, and counts them.
type oracle struct {
	asked atomic.Int64
	err   error
	takes time.Duration
}

func (o *oracle) ask(ctx context.Context) (string, error) {
	o.asked.Add(1)
	if err := sleep(ctx, o.takes); err != nil {
		return "", err
	}
	return "answer", o.err
}

func newTestReviews(size int) *reviews[string] {
	tokens, _ := newMetrics(nil)
	r := newReviews[string](Options{CacheSize: size}, tokens, &outage{})
	r.budget = newBudget(DefaultTokenReviewsPerSecond)
	return r
}

var errAway = errors.New("connection refused")

func TestReviews_KeepAnAnswerForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, o := newTestReviews(0), &oracle{}
		for _, step := range []struct {
			wait      time.Duration
			wantAsked int64
		}{{0, 1}, {59 * time.Second, 1}, {time.Second, 2}, {time.Minute, 3}} {
			time.Sleep(step.wait)
			if _, err := r.resolve(t.Context(), "a", o.ask); err != nil {
				t.Fatal(err)
			}
			if got := o.asked.Load(); got != step.wantAsked {
				t.Errorf("asked %d times, want %d", got, step.wantAsked)
			}
		}
	})
}

func TestReviews_KeepADenialForTenSecondsAndForgetTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, o := newTestReviews(0), &oracle{}
		if _, err := r.resolve(t.Context(), "a", o.ask); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		o.err = forbidden("no")
		for range 2 {
			if _, err := r.resolve(t.Context(), "a", o.ask); !errors.Is(err, ErrForbidden) {
				t.Fatalf("error %v, want ErrForbidden", err)
			}
		}
		if got := o.asked.Load(); got != 2 {
			t.Errorf("asked %d times, want 2", got)
		}
		time.Sleep(10 * time.Second)
		o.err = errAway
		if _, err := r.resolve(t.Context(), "a", o.ask); !errors.Is(err, ErrUnavailable) {
			t.Errorf("error %v, want ErrUnavailable: the denied answer must not come back", err)
		}
	})
}

func TestReviews_ServeExpiredAnswersWhileTheAPIServerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, o := newTestReviews(0), &oracle{}
		if _, err := r.resolve(t.Context(), "a", o.ask); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		o.takes = time.Minute // the question hangs until its time-out
		start := time.Now()
		if got, err := r.resolve(t.Context(), "a", o.ask); got != "answer" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
		if took := time.Since(start); took != DefaultTimeout {
			t.Errorf("the first caller waited for %s, want %s", took, DefaultTimeout)
		}
		start = time.Now()
		for range 100 {
			if _, err := r.resolve(t.Context(), "a", o.ask); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("later callers waited for %s, want 0", took)
		}
		time.Sleep(time.Minute)
		before := o.asked.Load()
		for range 100 {
			if _, err := r.resolve(t.Context(), "a", o.ask); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := o.asked.Load() - before; n != 1 {
			t.Errorf("the API server was tried %d times, want once", n)
		}
		time.Sleep(time.Minute)
		o.takes = 0
		for range 2 {
			if _, err := r.resolve(t.Context(), "a", o.ask); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if r.outage.holds() {
			t.Error("the outage is not over")
		}
	})
}

func TestReviews_DoNotServeExpiredAnswersWhenAskedTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, o := newTestReviews(0), &oracle{}
		r.budget = newBudget(0.001)
		if _, err := r.resolve(t.Context(), "a", o.ask); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, err := r.resolve(t.Context(), "a", o.ask); err != nil {
			t.Fatalf("a renewal found no budget: %v", err)
		}
		time.Sleep(time.Minute)
		_, err := r.resolve(t.Context(), "a", o.ask)
		var e *Error
		if !errors.Is(err, ErrUnavailable) || !errors.As(err, &e) || e.RetryAfter <= 0 {
			t.Errorf("error %v, want ErrUnavailable with RetryAfter", err)
		}
	})
}

func TestBudget_KeepsAPartForRenewals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(20)
		for range 100 { // a flood of unknown tokens fills the queue
			go func() { _, _ = b.take(t.Context(), false) }()
		}
		synctest.Wait()
		if _, ok := b.take(t.Context(), false); ok {
			t.Error("an unknown token found room behind the flood")
		}
		if _, ok := b.take(t.Context(), true); !ok {
			t.Error("a renewal found no room")
		}
	})
}

func TestBudget_GrantsNoMoreThanItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, granted, end := newBudget(20), 0, time.Now().Add(time.Minute)
		for time.Now().Before(end) {
			if _, ok := b.take(t.Context(), true); ok {
				granted++
			}
		}
		if granted > 20*60+2 {
			t.Errorf("%d granted in a minute, want at most 1,202", granted)
		}
		if granted < 20*60-2 {
			t.Errorf("%d granted in a minute, want about 1,200", granted)
		}
	})
}

func TestLRU_StaysWithinItsBound(t *testing.T) {
	t.Parallel()
	c := newLRU[int](3)
	for i := range 10 {
		c.put(fmt.Sprint(i), i)
		c.get("0") // keeps it in use
	}
	if got := c.len(); got != 3 {
		t.Errorf("%d items, want 3", got)
	}
	for _, key := range []string{"0", "8", "9"} {
		if _, ok := c.get(key); !ok {
			t.Errorf("%s is gone", key)
		}
	}
}

func TestIsAway_TellsOutagesFromRefusals(t *testing.T) {
	t.Parallel()
	status := func(code int32) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Code: code}}
	}
	cases := map[string]struct {
		err  error
		want bool
	}{
		"no connection":            {errAway, true},
		"no answer in time":        {context.DeadlineExceeded, true},
		"an internal error":        {status(http.StatusInternalServerError), true},
		"an overloaded API server": {status(http.StatusTooManyRequests), true},
		"a missing right":          {status(http.StatusForbidden), false},
		"an invalid question":      {status(http.StatusUnprocessableEntity), false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := isAway(tc.err); got != tc.want {
				t.Errorf("isAway = %t, want %t", got, tc.want)
			}
		})
	}
}
