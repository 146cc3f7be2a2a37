// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package breaker

import "time"

// State is the state of a circuit. The values are those of the status.
type State string

// The states.
const (
	// Closed means that requests flow.
	Closed State = "Closed"
	// Open means that no request is made until the next probe is due.
	Open State = "Open"
	// HalfOpen means that requests are made one at a time, as probes.
	HalfOpen State = "HalfOpen"
)

// Verdict is what a request's result says about the receiver.
type Verdict string

// The verdicts.
const (
	// Success means that the receiver took the event.
	Success Verdict = "Success"
	// Failure means that the receiver is down, failing, or refuses its caller.
	Failure Verdict = "Failure"
	// Neutral says nothing about the receiver: the answer is about this one event (400, 413, 415,
	// 422), or the request was interrupted from this side.
	Neutral Verdict = "Neutral"
)

// Breaker is one circuit. It is not safe for concurrent use; the caller locks.
//
// Every Acquire that returned true must be followed by exactly one Record or Release. The circuit
// does not go half-open before all requests that started earlier have reported: a late result then
// never passes for that of a probe.
type Breaker struct {
	config Config

	state    State
	since    time.Time
	failures int
	// openFor is how long the circuit stays open this time, and nextProbe when that ends.
	openFor   time.Duration
	nextProbe time.Time
	// goodProbes counts the probes that succeeded since the circuit went half-open.
	goodProbes  int
	lastSuccess time.Time

	// inFlight counts the requests that were acquired and have not reported. While the circuit is
	// open they all started before it opened; half-open, there is at most one, the probe.
	inFlight int
}

// New returns a closed Breaker.
func New(c Config, now time.Time) *Breaker {
	return &Breaker{config: c.withDefaults(), state: Closed, since: now}
}

// State returns the state. An open circuit stays Open until somebody asks for a probe that is due.
func (b *Breaker) State() State { return b.state }

// Since returns when the circuit closed, or when it last left Closed.
func (b *Breaker) Since() time.Time { return b.since }

// NextProbe returns when the next probe may be made; the zero time while the circuit is closed.
func (b *Breaker) NextProbe() time.Time { return b.nextProbe }

// Configure replaces the configuration. An open circuit waits no longer than the new one allows; a
// lower threshold acts with the next failure.
func (b *Breaker) Configure(c Config) {
	b.config = c.withDefaults()
	if b.state == Closed {
		return
	}
	opened := b.nextProbe.Add(-b.openFor)
	b.openFor = min(b.openFor, b.config.MaxOpenDuration)
	if due := opened.Add(b.openFor); due.Before(b.nextProbe) {
		b.nextProbe = due
	}
}

// Acquire asks whether a request may start now. When it may not, wait says how long it is until it is
// worth asking again; 0 means not before a Record or a Release. The state may have changed from Open
// to HalfOpen when it returns true.
func (b *Breaker) Acquire(now time.Time) (ok bool, wait time.Duration) {
	switch b.state {
	case Open:
		if wait := b.nextProbe.Sub(now); wait > 0 {
			return false, wait
		}
		if b.inFlight > 0 {
			return false, 0
		}
		b.state = HalfOpen
		b.goodProbes = 0
	case HalfOpen:
		if b.inFlight > 0 {
			return false, 0
		}
	}
	b.inFlight++
	return true, 0
}

// Release takes back an acquired request that was not made.
func (b *Breaker) Release(time.Time) { b.finish() }

// Record takes the result of an acquired request, and reports whether the state changed. While the
// circuit is open a result is that of a request which started before, and changes nothing.
func (b *Breaker) Record(v Verdict, now time.Time) (changed bool) {
	b.finish()
	if v == Success {
		b.lastSuccess = now
	}
	switch b.state {
	case Closed:
		return b.recordClosed(v, now)
	case HalfOpen:
		return b.recordProbe(v, now)
	default:
		return false
	}
}

// finish counts a request as no longer in flight.
func (b *Breaker) finish() { b.inFlight = max(b.inFlight-1, 0) }

// recordClosed counts failures in a row, and opens the circuit when there are enough.
func (b *Breaker) recordClosed(v Verdict, now time.Time) bool {
	switch v {
	case Success:
		b.failures = 0
	case Failure:
		b.failures++
		if b.failures >= b.config.FailureThreshold {
			b.since = now
			b.open(b.config.OpenDuration, now)
			return true
		}
	}
	return false
}

// recordProbe closes the circuit after enough good probes, and opens it for longer after a bad one.
func (b *Breaker) recordProbe(v Verdict, now time.Time) bool {
	switch v {
	case Success:
		b.goodProbes++
		b.failures = 0
		if b.goodProbes >= b.config.Probes {
			b.close(now)
			return true
		}
	case Failure:
		b.failures++
		b.open(min(2*b.openFor, b.config.MaxOpenDuration), now)
		return true
	}
	return false
}

// open opens the circuit for a while.
func (b *Breaker) open(d time.Duration, now time.Time) {
	b.state = Open
	b.openFor = d
	b.nextProbe = now.Add(d)
}

// close closes the circuit; the next time it opens, it is for OpenDuration again.
func (b *Breaker) close(now time.Time) {
	b.state = Closed
	b.since = now
	b.failures = 0
	b.openFor = 0
	b.nextProbe = time.Time{}
}
