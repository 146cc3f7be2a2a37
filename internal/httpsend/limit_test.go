// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// overHTTP1 is an answer after which nothing of the attempt is left.
var overHTTP1 = &http.Response{ProtoMajor: 1}

func TestLimits_UsesAContextAgainUntilItHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(t.Context())
		defer cancel()
		var s limits
		first := s.begin(parent, time.Second)
		time.Sleep(900 * time.Millisecond)
		s.end(first, overHTTP1)
		second := s.begin(parent, time.Second)
		if second != first {
			t.Error("the second attempt has a context of its own")
		}
		// The time begins anew, and it ends the context.
		time.Sleep(900 * time.Millisecond)
		if err := second.ctx.Err(); err != nil {
			t.Errorf("the second attempt had the first one's time: %v", err)
		}
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		if cause := context.Cause(second.ctx); !errors.Is(cause, context.DeadlineExceeded) {
			t.Errorf("after its time the context's cause is %v", cause)
		}
		s.end(second, overHTTP1)
		third := s.begin(parent, time.Second)
		if third == second || third.ctx.Err() != nil {
			t.Error("a context that had ended was used again")
		}
		cancel()
		if third.ctx.Err() == nil {
			t.Error("the caller's end did not end the attempt")
		}
		s.end(third, overHTTP1)
		if len(s.free) != 0 {
			t.Errorf("%d limits are kept whose caller ended", len(s.free))
		}
	})
}

func TestLimits_EndsWhatAnAttemptLeavesBehind(t *testing.T) {
	for name, answer := range map[string]*http.Response{"no answer": nil, "HTTP/2": {ProtoMajor: 2}} {
		t.Run(name, func(t *testing.T) {
			var s limits
			l := s.begin(t.Context(), time.Minute)
			s.end(l, answer)
			if l.ctx.Err() == nil || len(s.free) != 0 {
				t.Error("the attempt's context goes on")
			}
		})
	}
}

func TestLimits_OfAnotherCallerEnd(t *testing.T) {
	var s limits
	first := s.begin(t.Context(), time.Minute)
	s.end(first, overHTTP1)
	other, cancel := context.WithCancel(t.Context())
	defer cancel()
	second := s.begin(other, time.Minute)
	if second == first || first.ctx.Err() == nil {
		t.Error("the context of one caller was used for another, or goes on")
	}
	s.end(second, overHTTP1)
	s.close()
	if second.ctx.Err() == nil {
		t.Error("a kept context outlives its client")
	}
	third := s.begin(other, time.Minute)
	s.end(third, overHTTP1)
	if third.ctx.Err() == nil {
		t.Error("a closed client keeps contexts")
	}
}
