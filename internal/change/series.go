// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change

import "time"

// How long a Kubernetes Event must not have been seen before its series counts as ended.
const (
	// QuietPeriod is that of events whose client writes every occurrence, and of series whose client wrote their
	// end: client-go ends a series after 6 minutes.
	QuietPeriod = 6 * time.Minute
	// QuietPeriodOfSeries is that of series that events.k8s.io clients keep: they are written every 30 minutes
	// while they last, so that nothing shorter tells one that ended from one that goes on.
	QuietPeriodOfSeries = 30*time.Minute + QuietPeriod
)

// SeriesPolicy says which of the occurrences of one Kubernetes Event become events.
type SeriesPolicy string

// The policies, as the API spells them.
const (
	// SeriesFirst takes the first.
	SeriesFirst SeriesPolicy = "First"
	// SeriesEvery takes every change of the count.
	SeriesEvery SeriesPolicy = "Every"
	// SeriesFinished takes one, when the series has ended, with the count that it reached.
	SeriesFinished SeriesPolicy = "Finished"
)

// SeriesState is what is remembered of one Kubernetes Event between its changes. The zero value is that of one
// never seen. It is stored as JSON.
type SeriesState struct {
	// Count and LastSeen are the newest that were seen.
	Count    int64     `json:"count,omitempty"`
	LastSeen time.Time `json:"lastSeen,omitzero"`
	// Emitted is the count with which it was last emitted; 0 if never.
	Emitted int64 `json:"emitted,omitempty"`
	// Due is when to ask Expire; zero when there is nothing to wait for.
	Due time.Time `json:"due,omitzero"`
}

// Decide says whether a change of a Kubernetes Event is to be emitted, and what to remember. Where the state that
// it returns has a Due, the caller asks Expire then; a time that has passed already means at once, but after what
// else is known to have changed. The deletion of the object, by whose hand or for its age, is no occurrence: it
// only ends a series.
func (p SeriesPolicy) Decide(state SeriesState, e KubernetesEvent, operation Operation, now time.Time) (SeriesState, bool) {
	if operation == Deleted {
		return SeriesState{}, p == SeriesFinished && max(state.Count, e.Count) > state.Emitted
	}
	again := e.Count > state.Count || e.LastSeen.After(state.LastSeen)
	state.Count = max(state.Count, e.Count)
	state.LastSeen = newest(state.LastSeen, e.LastSeen)
	emit := false
	switch p {
	case SeriesFirst:
		emit = state.Emitted == 0
	case SeriesEvery:
		emit = state.Count > state.Emitted
	case SeriesFinished:
		if again && state.Count > state.Emitted {
			state.Due = dueOf(e, now)
		}
	}
	if emit {
		state.Emitted = state.Count
	}
	return state, emit
}

// dueOf returns when a series has ended unless it goes on. It counts from when the occurrence was observed: clocks
// of reporters differ from ours.
func dueOf(e KubernetesEvent, now time.Time) time.Time {
	switch {
	case !e.Series:
		return now.Add(QuietPeriod)
	case now.Sub(e.LastSeen) >= QuietPeriod:
		return now // what a client writes so long after the occurrence is the end of the series
	}
	return now.Add(QuietPeriodOfSeries)
}

// Expire says whether a series that was Due is to be emitted now, and what to remember.
func (p SeriesPolicy) Expire(state SeriesState, now time.Time) (SeriesState, bool) {
	if p != SeriesFinished || state.Due.IsZero() || now.Before(state.Due) {
		return state, false
	}
	emit := state.Count > state.Emitted
	state.Emitted, state.Due = state.Count, time.Time{}
	return state, emit
}

// Passed returns the state of a Kubernetes Event that was there before its source and is passed over.
func Passed(e KubernetesEvent) SeriesState {
	return SeriesState{Count: e.Count, LastSeen: e.LastSeen, Emitted: e.Count}
}
