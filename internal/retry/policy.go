// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package retry

import (
	"fmt"
	"slices"
	"time"
)

const (
	// DefaultJitterPercent is how far a wait departs from its delay, either way, by default.
	DefaultJitterPercent = 20
	// DefaultMaxAge is how old a delivery may grow by default before it is given up: the default
	// schedule takes 18 hours, and three days let a weekend's outage and a backlog pass.
	DefaultMaxAge = 72 * time.Hour
)

// Policy says how often and when one delivery is tried. It is immutable once it is in use, and then
// safe for concurrent use.
type Policy struct {
	// Delays are the waits between attempts: the first attempt is made at once, and Delays[i] passes
	// between the failure of attempt i+1 and the next one. So there is one attempt more than delays.
	Delays []time.Duration
	// JitterPercent is how far a wait departs at random from its delay, either way; 0 to 100.
	JitterPercent int
	// GiveUpOn lists the HTTP statuses after which no further attempt is made.
	GiveUpOn []int
	// MaxAge is how old a delivery may grow, counted from the acceptance of its event; 0 means that
	// age does not end it. Deliveries that wait are measured by it too, so it is the dispatcher that
	// enforces it.
	MaxAge time.Duration
}

// DefaultDelays returns the default schedule: 5 s, 30 s, 2 m, 10 m, 30 m, 1 h, 4 h and 12 h, that is
// nine attempts over less than 18 hours.
func DefaultDelays() []time.Duration {
	return []time.Duration{
		5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
		time.Hour, 4 * time.Hour, 12 * time.Hour,
	}
}

// Next says how long to wait after the attempt of the given number (from 1) failed, and false when
// it was the last one.
//
// The wait is the delay with jitter. A retryAfter above zero is what the receiver asked for: it never
// makes the wait shorter, and makes it longer by no more than the longest delay of the schedule, so
// that a receiver cannot hold a delivery for ever. The random number is in [0, 1).
func (p *Policy) Next(attempt int, retryAfter time.Duration, random float64) (time.Duration, bool) {
	i := max(attempt, 1) - 1
	if i >= len(p.Delays) {
		return 0, false
	}
	wait := jitter(p.Delays[i], p.JitterPercent, random)
	return max(wait, min(retryAfter, slices.Max(p.Delays))), true
}

// jitter moves the delay by at most percent either way: 0 moves it down all the way, and a random
// number just below 1 all the way up.
func jitter(delay time.Duration, percent int, random float64) time.Duration {
	percent = min(max(percent, 0), 100)
	random = min(max(random, 0), 1)
	return delay + time.Duration(float64(delay)*float64(percent)/100*(2*random-1))
}

// GivesUpOn reports whether an answer of the status ends the delivery.
func (p *Policy) GivesUpOn(status int) bool { return slices.Contains(p.GiveUpOn, status) }

// String describes the schedule for a status, such as "8 retries over 17h42m35s, ±20 %".
func (p *Policy) String() string {
	if len(p.Delays) == 0 {
		return "no retries"
	}
	var total time.Duration
	for _, d := range p.Delays {
		total += d
	}
	noun := "retries"
	if len(p.Delays) == 1 {
		noun = "retry"
	}
	s := fmt.Sprintf("%d %s over %s", len(p.Delays), noun, short(total))
	if p.JitterPercent > 0 {
		s += fmt.Sprintf(", ±%d %%", p.JitterPercent)
	}
	return s
}
