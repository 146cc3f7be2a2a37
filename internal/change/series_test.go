// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/change"
)

// occurrence is one look at a Kubernetes Event, or at its timer.
type occurrence struct {
	// after is the time since the one before.
	after time.Duration
	// count is 0 when the timer is asked.
	count   int64
	series  bool
	age     time.Duration
	deleted bool
	want    bool
	// due is how long to wait now; 0 for nothing to wait for.
	due time.Duration
}

func TestSeriesPolicy(t *testing.T) {
	t.Parallel()
	const quiet, series = change.QuietPeriod, change.QuietPeriodOfSeries
	tests := map[string]struct {
		policy change.SeriesPolicy
		all    []occurrence
	}{
		"First takes one, and none again": {change.SeriesFirst, []occurrence{
			{count: 1, want: true}, {after: time.Minute, count: 2}, {after: time.Hour, count: 3}, {count: 3, deleted: true},
		}},
		"First takes what it first sees late": {change.SeriesFirst, []occurrence{{count: 40, want: true}, {count: 41}}},
		"Every takes each count once": {change.SeriesEvery, []occurrence{
			{count: 1, want: true}, {count: 1}, {count: 2, want: true}, {count: 5, want: true}, {count: 5}, {count: 5, deleted: true},
		}},
		"Finished waits for quiet": {change.SeriesFinished, []occurrence{
			{count: 1, due: quiet},
			{after: 5 * time.Minute, count: 2, due: quiet},
			{after: time.Minute, count: 2, due: quiet - time.Minute}, // nothing new: the timer goes on
			{after: 4 * time.Minute, due: time.Minute},               // asked too early
			{after: time.Minute, want: true},
			{after: time.Hour},
		}},
		"Finished takes a series that begins again once more": {change.SeriesFinished, []occurrence{
			{count: 3, due: quiet}, {after: quiet, want: true}, {after: time.Hour, count: 4, due: quiet}, {after: quiet, want: true},
		}},
		"Finished waits longer for a series that is written every half hour": {change.SeriesFinished, []occurrence{
			{count: 1, due: quiet},
			{after: time.Second, count: 2, series: true, due: series},
			{after: 30 * time.Minute, count: 90, series: true, due: series},
			{after: series, want: true},
		}},
		"Finished ends a series with its client": {change.SeriesFinished, []occurrence{
			{count: 2, series: true, due: series},
			{after: 10 * time.Minute, count: 30, series: true, age: 7 * time.Minute, due: -1},
			{want: true},
		}},
		"Finished ends with the object": {change.SeriesFinished, []occurrence{
			{count: 2, due: quiet}, {after: time.Minute, count: 2, deleted: true, want: true},
		}},
		"Finished says nothing of the end of an object that was emitted": {change.SeriesFinished, []occurrence{
			{count: 2, due: quiet}, {after: quiet, want: true}, {after: time.Hour, count: 2, deleted: true},
		}},
		"Finished takes one that it only sees go": {change.SeriesFinished, []occurrence{{count: 3, deleted: true, want: true}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := instant(t, "2026-11-23T10:00:00Z")
			var state change.SeriesState
			for i, o := range tc.all {
				now = now.Add(o.after)
				var emit bool
				state, emit = o.decide(tc.policy, stored(t, state), now)
				if emit != o.want {
					t.Fatalf("occurrence %d: emit = %t, want %t", i, emit, o.want)
				}
				o.checkDue(t, i, state, now)
			}
		})
	}
}

func (o occurrence) decide(p change.SeriesPolicy, state change.SeriesState, now time.Time) (change.SeriesState, bool) {
	if o.count == 0 {
		return p.Expire(state, now)
	}
	operation := change.Updated
	if o.deleted {
		operation = change.Deleted
	}
	seen := now.Add(-o.age)
	if o.count == state.Count {
		seen = state.LastSeen
	}
	return p.Decide(state, change.KubernetesEvent{Count: o.count, Series: o.series, LastSeen: seen}, operation, now)
}

func (o occurrence) checkDue(t *testing.T, i int, state change.SeriesState, now time.Time) {
	t.Helper()
	want := now.Add(o.due)
	if o.due == 0 {
		want = time.Time{}
	}
	if o.due < 0 { // at once
		want = now
	}
	if !state.Due.Equal(want) {
		t.Fatalf("occurrence %d: due at %s, want %s", i, state.Due, want)
	}
}

// stored is the state after it was written and read again.
func stored(t *testing.T, state change.SeriesState) change.SeriesState {
	t.Helper()
	b, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	var again change.SeriesState
	if err := json.Unmarshal(b, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(state, again); diff != "" {
		t.Fatalf("stored and read (-want +got):\n%s", diff)
	}
	return again
}

func TestPassed(t *testing.T) {
	t.Parallel()
	e, _ := change.ParseKubernetesEvent(load(t, "event-kubelet"))
	now := e.LastSeen.Add(time.Second)
	for _, p := range []change.SeriesPolicy{change.SeriesFirst, change.SeriesEvery, change.SeriesFinished} {
		state := change.Passed(e)
		for _, operation := range []change.Operation{change.Created, change.Updated, change.Deleted} {
			if after, emit := p.Decide(state, e, operation, now); emit || !after.Due.IsZero() {
				t.Errorf("%s emits on %s what was passed over", p, operation)
			}
		}
	}
	e.Count++
	e.LastSeen = now
	if _, emit := change.SeriesEvery.Decide(change.Passed(change.KubernetesEvent{Count: 7}), e, change.Updated, now); !emit {
		t.Error("Every misses what came after")
	}
}
