// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package retry_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/retry"
)

func TestPolicy_Next(t *testing.T) {
	t.Parallel()
	plain := retry.Policy{Delays: []time.Duration{10 * time.Second, time.Minute, 30 * time.Second}}
	jittered := retry.Policy{Delays: plain.Delays, JitterPercent: 20}
	tests := map[string]struct {
		policy     retry.Policy
		attempt    int
		retryAfter time.Duration
		random     float64
		want       time.Duration
		wantOK     bool
	}{
		"the first failure waits the first delay":             {plain, 1, 0, 0.9, 10 * time.Second, true},
		"the last delay belongs to the attempt before last":   {plain, 3, 0, 0, 30 * time.Second, true},
		"the last attempt is not followed by another":         {plain, 4, 0, 0, 0, false},
		"an attempt far beyond the schedule ends":             {plain, 1 << 30, time.Hour, 0, 0, false},
		"an attempt number below 1 counts as the first":       {plain, 0, 0, 0, 10 * time.Second, true},
		"no delays mean no retry":                             {retry.Policy{}, 1, time.Hour, 0, 0, false},
		"jitter shortens by all of it at 0":                   {jittered, 1, 0, 0, 8 * time.Second, true},
		"jitter does nothing in the middle":                   {jittered, 1, 0, 0.5, 10 * time.Second, true},
		"jitter lengthens by nearly all of it below 1":        {jittered, 1, 0, 0.75, 11 * time.Second, true},
		"Retry-After makes the wait longer":                   {plain, 1, 45 * time.Second, 0, 45 * time.Second, true},
		"Retry-After never makes the wait shorter":            {plain, 2, time.Second, 0, time.Minute, true},
		"Retry-After is capped at the longest delay":          {plain, 1, time.Hour, 0, time.Minute, true},
		"Retry-After does not add an attempt":                 {plain, 4, time.Second, 0, 0, false},
		"a Retry-After of 0 leaves the schedule as it is":     {plain, 1, 0, 0.3, 10 * time.Second, true},
		"a negative Retry-After leaves the schedule as it is": {plain, 1, -time.Hour, 0.3, 10 * time.Second, true},
		"a random number out of range is brought into it":     {jittered, 1, 0, 7, 12 * time.Second, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := tc.policy.Next(tc.attempt, tc.retryAfter, tc.random)
			if got != tc.want || ok != tc.wantOK {
				t.Errorf("Next() = %s, %t, want %s, %t", got, ok, tc.want, tc.wantOK)
			}
		})
	}
}

func TestPolicy_NextStaysWithinJitter(t *testing.T) {
	t.Parallel()
	p := retry.Policy{Delays: retry.DefaultDelays(), JitterPercent: retry.DefaultJitterPercent}
	for i, delay := range p.Delays {
		for random := 0.0; random < 1; random += 0.01 {
			wait, ok := p.Next(i+1, 0, random)
			if low, high := delay*8/10, delay*12/10; !ok || wait < low || wait > high {
				t.Fatalf("attempt %d waits %s, want between %s and %s", i+1, wait, low, high)
			}
		}
	}
}

func TestPolicy_GivesUpOn(t *testing.T) {
	t.Parallel()
	p := retry.Policy{GiveUpOn: []int{413, 422}}
	if !p.GivesUpOn(422) || p.GivesUpOn(400) || (&retry.Policy{}).GivesUpOn(422) {
		t.Error("GivesUpOn does not follow the list")
	}
}

func TestPolicy_String(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		policy retry.Policy
		want   string
	}{
		"the default schedule": {
			retry.Policy{Delays: retry.DefaultDelays(), JitterPercent: retry.DefaultJitterPercent},
			"8 retries over 17h42m35s, ±20 %",
		},
		"one retry":         {retry.Policy{Delays: []time.Duration{5 * time.Second}}, "1 retry over 5s"},
		"whole hours":       {retry.Policy{Delays: []time.Duration{time.Hour, 3 * time.Hour}}, "2 retries over 4h"},
		"whole minutes":     {retry.Policy{Delays: []time.Duration{10 * time.Minute}}, "1 retry over 10m"},
		"hours and minutes": {retry.Policy{Delays: []time.Duration{80 * time.Minute}}, "1 retry over 1h20m"},
		"no retries":        {retry.Policy{JitterPercent: 20}, "no retries"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tc.policy.String(); got != tc.want {
				t.Errorf("String() = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestExponential_Delays(t *testing.T) {
	t.Parallel()
	const s = time.Second
	tests := map[string]struct {
		initial, longest time.Duration
		multiplier       float64
		attempts         int
		want             []time.Duration
	}{
		"doubles up to the limit":             {s, 5 * s, 2, 5, []time.Duration{s, 2 * s, 4 * s, 5 * s}},
		"one attempt has no delay":            {s, 5 * s, 2, 1, nil},
		"none at all":                         {s, 5 * s, 2, 0, nil},
		"a fraction":                          {2 * s, 60 * s, 1.5, 4, []time.Duration{2 * s, 3 * s, 4500 * time.Millisecond}},
		"an initial delay above the limit":    {9 * s, 5 * s, 2, 3, []time.Duration{5 * s, 5 * s}},
		"a multiplier below 1 stays constant": {s, 5 * s, 0.5, 3, []time.Duration{s, s}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := retry.Exponential(tc.initial, tc.longest, tc.multiplier, tc.attempts)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("delays differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExponential_NeverOverflows(t *testing.T) {
	t.Parallel()
	delays := retry.Exponential(time.Hour, 24*time.Hour, 1e300, 1<<20)
	if len(delays) != retry.MaxAttempts-1 {
		t.Errorf("%d delays, want %d", len(delays), retry.MaxAttempts-1)
	}
	for i, d := range delays {
		if d <= 0 || d > 24*time.Hour {
			t.Fatalf("delay %d is %s", i, d)
		}
	}
}
