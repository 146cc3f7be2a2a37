// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/config"
)

// tenPerSecond limits the namespace slow, and no other.
var tenPerSecond = config.Ingest{NamespaceRateLimits: map[string]compile.RateLimit{
	"slow": {Requests: 10, Per: time.Second},
}}

func TestQuota_LetsThroughWhatTheRateAllows(t *testing.T) {
	t.Parallel()
	// take is what one request asks for, after so long.
	type take struct {
		after  time.Duration
		events int
		want   time.Duration
	}
	tests := map[string]struct {
		namespace string
		takes     []take
	}{
		"a namespace without a limit": {"fast", []take{{0, 1000, 0}, {0, 1000, 0}}},
		"a burst, and then the rate":  {"slow", []take{{0, 10, 0}, {0, 1, 100 * time.Millisecond}, {100 * time.Millisecond, 1, 0}}},
		"what is refused costs nothing": {"slow", []take{
			{0, 10, 0}, {0, 5, 500 * time.Millisecond}, {0, 5, 500 * time.Millisecond}, {500 * time.Millisecond, 5, 0},
		}},
		"a batch above the burst is paid off": {"slow", []take{{0, 30, 0}, {time.Second, 1, 1100 * time.Millisecond}, {1100 * time.Millisecond, 1, 0}}},
		"no more is saved than a burst":       {"slow", []take{{time.Hour, 10, 0}, {0, 1, 100 * time.Millisecond}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := newQuota(nil, tenPerSecond)
			now := time.Unix(1_700_000_000, 0)
			for i, step := range tc.takes {
				now = now.Add(step.after)
				if got := q.take(tc.namespace, step.events, now).Round(time.Millisecond); got != step.want {
					t.Errorf("request %d: got %v, want %v", i+1, got, step.want)
				}
			}
		})
	}
}

func TestQuota_GivesBackTheBytesOfWhatTheRateRefuses(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *Options) { o.Share = func(string) int64 { return 100 } })
	q := newQuota(s.d, tenPerSecond)
	if _, ok := q.Admit("slow", 10, 60); !ok {
		t.Fatal("the first request was refused")
	}
	if wait, ok := q.Admit("slow", 10, 30); ok || wait > time.Second {
		t.Errorf("a request above the rate: got %v and %v, want a wait below a second", wait, ok)
	}
	if _, ok := s.d.Admit("slow", 40); !ok {
		t.Error("the bytes of the refused request still count")
	}
	if wait, ok := q.Admit("slow", 1, 1); ok || wait != overShareRetry {
		t.Errorf("a request above the share: got %v and %v", wait, ok)
	}
	q.Return("slow", 100)
	if _, ok := s.d.Admit("slow", 100); !ok {
		t.Error("what was given back still counts")
	}
	s.d.Return("slow", 100)
}

func TestQuota_ForgetsNamespacesThatAreSilent(t *testing.T) {
	t.Parallel()
	q := newQuota(nil, config.Ingest{RateLimit: &compile.RateLimit{Requests: 1, Per: time.Second}})
	now := time.Unix(1_700_000_000, 0)
	for i := range maxBuckets {
		q.take(string(rune(i+1)), 1, now)
	}
	q.take("one more", 1, now.Add(time.Second))
	if len(q.buckets) != 1 {
		t.Errorf("%d namespaces are remembered, want 1", len(q.buckets))
	}
}
