// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/retry"
	"github.com/posthorn-dev/posthorn/internal/status"
)

// recentFailures is how many failures the status of a subscription shows.
const recentFailures = 5

// subscription is the state of a WebhookSubscription, by name: it outlives the object for as long as
// deliveries of it wait.
type subscription struct {
	name delivery.Name
	// spec is the compiled object; nil while there is none.
	spec *delivery.Subscription
	// lane is where its deliveries go; nil until the first spec or stored delivery names one.
	lane *lane
	// start is the position at which it begins: it gets the events behind it. positioned says that
	// the position is stored.
	start      uint64
	uid        string
	positioned bool
	// invalid says that the object exists, but cannot be routed as it is.
	invalid *notRouted
	// gone is when the object was found missing.
	gone time.Time

	figures figures
	// saved is the tally of the figures that are stored.
	saved tally
	// unrecorded counts the matched deliveries that no flush holds a record of.
	unrecorded int64
	// pending counts what memory and storage hold of it, dead-letter deliveries apart.
	pending int64
	// delivering is the health that was last reported, and since when.
	delivering      status.DeliveringReason
	deliveringSince time.Time
	// overShare is whether its namespace was last seen to have filled its share.
	overShare bool
	dirty     bool
}

// notRouted says why an object that exists is not routed.
type notRouted struct {
	uid             string
	generation      int64
	reason, message string
}

// figures are what the status of an object counts and shows, and a restart keeps.
type figures struct {
	Matched        int64            `json:"matched,omitempty"`
	Delivered      int64            `json:"delivered,omitempty"`
	FailedAttempts int64            `json:"failedAttempts,omitempty"`
	DeadLettered   int64            `json:"deadLettered,omitempty"`
	LastSuccess    time.Time        `json:"lastSuccess,omitzero"`
	LastFailure    time.Time        `json:"lastFailure,omitzero"`
	Failures       []status.Failure `json:"failures,omitempty"`
}

// apply counts one record. matched says whether first records count as matches: while the dispatcher
// runs, matches are counted when an event is routed.
func (f *figures) apply(r *delivery.Record, matched bool) {
	if r.Kind != delivery.KindEvent {
		return
	}
	if matched && r.First {
		f.Matched++
	}
	switch r.Outcome {
	case delivery.OutcomeDelivered:
		f.Delivered++
	case delivery.OutcomeDeadLettered:
		f.DeadLettered++
	}
	if !r.Attempted {
		return
	}
	if r.Reason == delivery.ReasonNone {
		f.LastSuccess = r.Time
		return
	}
	f.FailedAttempts++
	f.LastFailure = r.Time
	f.Failures = append(f.Failures, status.Failure{
		Time: r.Time, EventID: r.EventID, EventType: r.EventType, Attempt: r.Attempt, StatusCode: r.StatusCode,
		Reason: string(r.Reason), Message: r.Message, NextAttempt: r.NextAttempt,
	}.Bounded())
	if extra := len(f.Failures) - recentFailures; extra > 0 {
		f.Failures = append(f.Failures[:0], f.Failures[extra:]...)
	}
}

// revoke takes back what apply counted of a record.
func (f *figures) revoke(r *delivery.Record) {
	var counted figures
	counted.apply(r, true)
	f.Matched -= counted.Matched
	f.Delivered -= counted.Delivered
	f.FailedAttempts -= counted.FailedAttempts
	f.DeadLettered -= counted.DeadLettered
}

// failing reports whether the last attempt failed.
func (f *figures) failing() bool { return f.LastFailure.After(f.LastSuccess) }

// counts are the figures as the status writer takes them.
func (f *figures) counts(pending int64, oldest time.Time) status.Counts {
	return status.Counts{
		Matched: f.Matched, Delivered: f.Delivered, FailedAttempts: f.FailedAttempts, Pending: pending,
		DeadLettered: f.DeadLettered, OldestPending: oldest, LastSuccess: f.LastSuccess, LastFailure: f.LastFailure,
	}
}

// policyOf is how a task of a subscription is tried again. Dead letters on their way to a dead-letter
// endpoint, and what has no subscription any more, follow the default.
func (d *Dispatcher) policyOf(s *subscription, kind delivery.Kind) *retry.Policy {
	if s.spec == nil || kind == delivery.KindDeadLetter {
		return d.opts.Retry
	}
	return s.spec.Retry
}

// builtinRetry is the policy of a platform that configures none.
func builtinRetry() *retry.Policy {
	return &retry.Policy{
		Delays: retry.DefaultDelays(), JitterPercent: retry.DefaultJitterPercent, MaxAge: retry.DefaultMaxAge,
	}
}

// holds reports whether deliveries of the subscription must wait, whatever their lane does.
func (s *subscription) holds() bool {
	if s.spec == nil || s.spec.Suspended {
		return true
	}
	return s.lane.endpoint != nil && !s.lane.endpoint.AdmitsNamespace(s.name.Namespace)
}

// takes reports whether the subscription wants events at all: it is valid, and its endpoint is
// there, be it as an object that cannot be used at the moment, or was there within the hold.
func (s *subscription) takes(now time.Time, hold time.Duration) bool {
	if s.spec == nil || !s.positioned {
		return false
	}
	return s.lane.endpoint != nil || s.lane.invalid != nil || s.lane.within(now, hold)
}
