// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package breaker_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/breaker"
)

var epoch = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// config opens after 3 failures, for 10 s up to 40 s, and closes after 2 probes.
var config = breaker.Config{FailureThreshold: 3, OpenDuration: 10 * time.Second, MaxOpenDuration: 40 * time.Second, Probes: 2}

// script runs steps against a Breaker: "a" acquires and must succeed, "x" must be refused, "s", "f" and
// "n" record a Success, a Failure and a Neutral result, "r" releases, and a duration lets time pass.
func script(t *testing.T, b *breaker.Breaker, now time.Time, steps string) time.Time {
	t.Helper()
	for i, step := range strings.Fields(steps) {
		switch step {
		case "a", "x":
			if ok, wait := b.Acquire(now); ok != (step == "a") || ok && wait != 0 {
				t.Fatalf("step %d: Acquire() = %t, %s in %s", i, ok, wait, b.State())
			}
		case "s":
			b.Record(breaker.Success, now)
		case "f":
			b.Record(breaker.Failure, now)
		case "n":
			b.Record(breaker.Neutral, now)
		case "r":
			b.Release(now)
		default:
			d, err := time.ParseDuration(step)
			if err != nil {
				t.Fatal(err)
			}
			now = now.Add(d)
		}
	}
	return now
}

func TestBreaker_Scripts(t *testing.T) {
	t.Parallel()
	const opened = "a f a f a f "
	tests := map[string]struct {
		steps         string
		want          breaker.State
		wantFailures  int
		wantNextProbe time.Duration // since epoch; 0 for none
	}{
		"stays closed below the threshold":             {"a f a f", breaker.Closed, 2, 0},
		"opens at the threshold":                       {opened, breaker.Open, 3, 10 * time.Second},
		"a success between failures counts anew":       {"a f a f a s a f a f", breaker.Closed, 2, 0},
		"a neutral result neither counts nor resets":   {"a f a f a n a f", breaker.Open, 3, 10 * time.Second},
		"a released request counts as nothing":         {"a f a f a r", breaker.Closed, 2, 0},
		"refuses while open":                           {opened + "9s x", breaker.Open, 3, 10 * time.Second},
		"lets one probe through when due":              {opened + "10s a x", breaker.HalfOpen, 3, 10 * time.Second},
		"one good probe is not enough":                 {opened + "10s a s", breaker.HalfOpen, 0, 10 * time.Second},
		"two good probes close":                        {opened + "10s a s a s", breaker.Closed, 0, 0},
		"a bad probe opens for twice as long":          {opened + "10s a f", breaker.Open, 4, 30 * time.Second},
		"a bad probe after a good one opens too":       {opened + "10s a s a f", breaker.Open, 1, 30 * time.Second},
		"good probes count anew after a bad one":       {opened + "10s a s a f 20s a s", breaker.HalfOpen, 0, 30 * time.Second},
		"growth ends at the cap":                       {opened + "10s a f 20s a f 40s a f 40s a f", breaker.Open, 7, 150 * time.Second},
		"growth starts again after closing":            {opened + "10s a f 20s a s a s " + opened, breaker.Open, 3, 40 * time.Second},
		"a neutral probe lets the next one through":    {opened + "10s a n a s a s", breaker.Closed, 0, 0},
		"a released probe lets the next one through":   {opened + "10s a r a s a s", breaker.Closed, 0, 0},
		"a late success does not close":                {"a a a a a f f f 5s s s", breaker.Open, 3, 10 * time.Second},
		"a late failure does not lengthen":             {"a a a a a f f f 5s f f", breaker.Open, 3, 10 * time.Second},
		"a probe waits for the late results":           {"a a a a f f f 20s x f a", breaker.HalfOpen, 3, 10 * time.Second},
		"a late request released lets the probe start": {"a a a a f f f 20s x r a", breaker.HalfOpen, 3, 10 * time.Second},
		"failures of requests side by side open once":  {"a a a f f f", breaker.Open, 3, 10 * time.Second},
		"a record without a request does no harm":      {"s n r", breaker.Closed, 0, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := breaker.New(config, epoch)
			script(t, b, epoch, tc.steps)
			var wantProbe time.Time
			if tc.wantNextProbe > 0 {
				wantProbe = epoch.Add(tc.wantNextProbe)
			}
			s := b.Snapshot()
			if s.State != tc.want || s.ConsecutiveFailures != tc.wantFailures || !s.NextProbe.Equal(wantProbe) {
				t.Errorf("state = %s with %d failures, next probe %s; want %s, %d, %s",
					s.State, s.ConsecutiveFailures, s.NextProbe, tc.want, tc.wantFailures, wantProbe)
			}
			if b.State() != s.State || !b.Since().Equal(s.Since) || !b.NextProbe().Equal(s.NextProbe) {
				t.Error("the accessors and the snapshot differ")
			}
		})
	}
}

func TestBreaker_AcquireSaysWhenToAskAgain(t *testing.T) {
	t.Parallel()
	b := breaker.New(config, epoch)
	now := script(t, b, epoch, "a a a a f f f 3s")
	if ok, wait := b.Acquire(now); ok || wait != 7*time.Second {
		t.Errorf("open: Acquire() = %t, %s, want a wait of 7s", ok, wait)
	}
	now = now.Add(10 * time.Second)
	if ok, wait := b.Acquire(now); ok || wait != 0 {
		t.Errorf("waiting for a late result: Acquire() = %t, %s, want no time to wait for", ok, wait)
	}
	now = script(t, b, now, "f a")
	if ok, wait := b.Acquire(now); ok || wait != 0 {
		t.Errorf("probing: Acquire() = %t, %s, want no time to wait for", ok, wait)
	}
}

func TestBreaker_RecordReportsChanges(t *testing.T) {
	t.Parallel()
	b := breaker.New(config, epoch)
	now := script(t, b, epoch, "a f a f a")
	if !b.Record(breaker.Failure, now) {
		t.Error("opening is no change")
	}
	now = script(t, b, now, "10s a")
	if b.Record(breaker.Success, now) {
		t.Error("the first good probe is a change")
	}
	now = script(t, b, now, "a")
	if !b.Record(breaker.Success, now) {
		t.Error("closing is no change")
	}
	script(t, b, now, "a")
	if b.Record(breaker.Success, now) {
		t.Error("a success while closed is a change")
	}
}

func TestBreaker_SinceIsTheBeginningOfTheOutage(t *testing.T) {
	t.Parallel()
	b := breaker.New(config, epoch)
	now := script(t, b, epoch, "1m a f a f a f")
	began := now
	now = script(t, b, now, "10s a f 20s a s")
	if !b.Since().Equal(began) {
		t.Errorf("Since() = %s in an outage that began %s", b.Since(), began)
	}
	now = script(t, b, now, "a s")
	if !b.Since().Equal(now) {
		t.Errorf("Since() = %s, want the time of closing, %s", b.Since(), now)
	}
}

func TestBreaker_Configure(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		config breaker.Config
		// wantWait is how long an open circuit (10 s, doubled once to 20 s, 5 s ago) waits.
		wantWait time.Duration
	}{
		"the same changes nothing":          {config, 15 * time.Second},
		"a lower cap acts at once":          {breaker.Config{OpenDuration: 5 * time.Second, MaxOpenDuration: 8 * time.Second}, 3 * time.Second},
		"a cap that has passed probes now":  {breaker.Config{OpenDuration: time.Second, MaxOpenDuration: 2 * time.Second}, 0},
		"a higher cap does not wait longer": {breaker.Config{OpenDuration: time.Minute, MaxOpenDuration: time.Hour}, 15 * time.Second},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := breaker.New(config, epoch)
			now := script(t, b, epoch, "a f a f a f 10s a f 5s")
			b.Configure(tc.config)
			if ok, wait := b.Acquire(now); ok != (tc.wantWait == 0) || wait != tc.wantWait {
				t.Errorf("Acquire() = %t, %s, want a wait of %s", ok, wait, tc.wantWait)
			}
		})
	}
	t.Run("a lower threshold acts with the next failure", func(t *testing.T) {
		t.Parallel()
		b := breaker.New(config, epoch)
		now := script(t, b, epoch, "a f")
		b.Configure(breaker.Config{FailureThreshold: 1})
		script(t, b, now, "a f x")
	})
}

func TestRestore_Snapshots(t *testing.T) {
	t.Parallel()
	future := epoch.Add(1000 * time.Hour)
	tests := map[string]struct {
		snapshot breaker.Snapshot
		want     breaker.Snapshot
	}{
		"nothing stored is closed": {
			breaker.Snapshot{},
			breaker.Snapshot{State: breaker.Closed, Since: epoch},
		},
		"closed keeps its failures": {
			breaker.Snapshot{State: breaker.Closed, Since: epoch.Add(-time.Hour), ConsecutiveFailures: 2},
			breaker.Snapshot{State: breaker.Closed, Since: epoch.Add(-time.Hour), ConsecutiveFailures: 2},
		},
		"open waits on": {
			breaker.Snapshot{State: breaker.Open, Since: epoch.Add(-time.Hour), ConsecutiveFailures: 9, OpenFor: 20 * time.Second, NextProbe: epoch.Add(7 * time.Second)},
			breaker.Snapshot{State: breaker.Open, Since: epoch.Add(-time.Hour), ConsecutiveFailures: 9, OpenFor: 20 * time.Second, NextProbe: epoch.Add(7 * time.Second)},
		},
		"half-open is open with the probe due": {
			breaker.Snapshot{State: breaker.HalfOpen, Since: epoch.Add(-time.Hour), OpenFor: 20 * time.Second, NextProbe: epoch.Add(-time.Second)},
			breaker.Snapshot{State: breaker.Open, Since: epoch.Add(-time.Hour), OpenFor: 20 * time.Second, NextProbe: epoch},
		},
		"a wait beyond the cap is cut": {
			breaker.Snapshot{State: breaker.Open, OpenFor: time.Hour, NextProbe: future},
			breaker.Snapshot{State: breaker.Open, Since: epoch, OpenFor: 40 * time.Second, NextProbe: epoch.Add(40 * time.Second)},
		},
		"what makes no sense is put right": {
			breaker.Snapshot{State: "Ajar", Since: future, ConsecutiveFailures: -3, OpenFor: -1},
			breaker.Snapshot{State: breaker.Closed, Since: epoch},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stored, err := json.Marshal(tc.snapshot)
			if err != nil {
				t.Fatal(err)
			}
			var read breaker.Snapshot
			if err := json.Unmarshal(stored, &read); err != nil {
				t.Fatal(err)
			}
			got := breaker.Restore(config, read, epoch).Snapshot()
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("restored state differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRestore_GrowthGoesOn(t *testing.T) {
	t.Parallel()
	b := breaker.New(config, epoch)
	now := script(t, b, epoch, "a f a f a f 10s a f 20s a")
	b = breaker.Restore(config, b.Snapshot(), now)
	script(t, b, now, "a f")
	if want := now.Add(40 * time.Second); !b.NextProbe().Equal(want) {
		t.Errorf("NextProbe() = %s, want %s", b.NextProbe(), want)
	}
}

func TestConfig_Defaults(t *testing.T) {
	t.Parallel()
	want := breaker.Config{FailureThreshold: 5, OpenDuration: 30 * time.Second, MaxOpenDuration: 10 * time.Minute, Probes: 2}
	if diff := cmp.Diff(want, breaker.DefaultConfig()); diff != "" {
		t.Errorf("defaults differ (-want +got):\n%s", diff)
	}
	b := breaker.New(breaker.Config{}, epoch)
	script(t, b, epoch, "a f a f a f a f a f x 29s x 1s a s a s a")
}
