// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// deadLetters is how many dead letters of a namespace the log really holds, and what they take.
func (s *system) deadLetters(namespace string) (h holding) {
	s.t.Helper()
	if err := s.log.DeadLetterSizes(s.t.Context(), 1, math.MaxUint64, func(m eventlog.Size) {
		if m.Namespace == namespace {
			h = h.plus(holding{1, int64(m.Bytes)})
		}
	}); err != nil {
		s.t.Fatal(err)
	}
	return h
}

func TestShare_ForgetsTheDeadLettersThatTheEngineRemoved(t *testing.T) {
	const n = 100
	tests := map[string]struct {
		retention func(*eventlog.Options)
		wantLeft  func(int64) bool
	}{
		"for their size": {
			func(o *eventlog.Options) { o.DeadLetterBytes = 10 << 10 }, func(left int64) bool { return left > 0 && left < n/2 },
		},
		"for their age": {
			func(o *eventlog.Options) { o.DeadLetterAge = time.Second }, func(left int64) bool { return left == 0 },
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := &system{t: t, dir: t.TempDir(), reports: newReports(), maxBytes: 256 << 20, logOptions: tc.retention}
			s.run()
			s.one(newReceiver(t, answerStatus(http.StatusUnprocessableEntity)))
			s.subs[0].Retry.GiveUpOn = []int{http.StatusUnprocessableEntity}
			s.load()
			s.send("team-a", n)
			s.eventually("all are dead-lettered", func() bool { return s.d.Account().DeadLettered == n })
			var stored holding
			s.eventually("the engine removed what is too much", func() bool {
				stored = s.deadLetters("team-a")
				return tc.wantLeft(stored.Messages)
			})
			if err := s.d.trim(time.Now(), false); err != nil {
				t.Fatal(err)
			}
			s.d.mu.Lock()
			defer s.d.mu.Unlock()
			// Of a span that is cut the ledger knows the sum alone, and they differ a little.
			if counted := s.d.usage.dead.of("team-a"); math.Abs(float64(counted.Bytes-stored.Bytes)) > float64(stored.Bytes)/20 {
				t.Errorf("%+v count towards the share, and the log holds %+v", counted, stored)
			}
		})
	}
}
