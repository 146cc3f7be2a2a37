// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package breaker

import "time"

// Snapshot is the state of a Breaker as it is stored and shown. Requests in flight are not part of
// it: whoever restores one starts without any.
type Snapshot struct {
	// State is the circuit's state.
	State State `json:"state"`
	// Since is when the circuit closed, or when it last left Closed: an outage has one beginning,
	// however many probes fail.
	Since time.Time `json:"since"`
	// ConsecutiveFailures counts the failures in a row, those of probes included.
	ConsecutiveFailures int `json:"consecutiveFailures,omitempty"`
	// OpenFor is how long the circuit stays open this time, in nanoseconds; 0 while it is closed.
	OpenFor time.Duration `json:"openFor,omitempty"`
	// NextProbe is when the next probe may be made; the zero time while the circuit is closed.
	NextProbe time.Time `json:"nextProbe,omitzero"`
	// LastSuccess is when a request last succeeded; the zero time when none has.
	LastSuccess time.Time `json:"lastSuccess,omitzero"`
}

// Snapshot returns the state to store.
func (b *Breaker) Snapshot() Snapshot {
	return Snapshot{
		State:               b.state,
		Since:               b.since,
		ConsecutiveFailures: b.failures,
		OpenFor:             b.openFor,
		NextProbe:           b.nextProbe,
		LastSuccess:         b.lastSuccess,
	}
}

// Restore returns a Breaker that goes on from a stored state. HalfOpen becomes Open with the probe
// due: whether the probe that was in flight succeeded is not known. What the snapshot cannot have
// held is put right: a wait is at most what c allows, so that a clock that was wrong when the
// snapshot was taken does not close an endpoint for ever.
func Restore(c Config, s Snapshot, now time.Time) *Breaker {
	b := New(c, now)
	b.failures = max(s.ConsecutiveFailures, 0)
	b.lastSuccess = s.LastSuccess
	if !s.Since.IsZero() && !s.Since.After(now) {
		b.since = s.Since
	}
	if s.State != Open && s.State != HalfOpen {
		return b
	}
	b.state = Open
	b.openFor = min(max(s.OpenFor, b.config.OpenDuration), b.config.MaxOpenDuration)
	b.nextProbe = s.NextProbe
	if s.State == HalfOpen {
		b.nextProbe = now
	}
	if latest := now.Add(b.openFor); b.nextProbe.After(latest) {
		b.nextProbe = latest
	}
	return b
}
