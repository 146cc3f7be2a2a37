// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"time"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// Counts are what came of deliveries since the object was created.
type Counts struct {
	// Matched is how many events matched; of a subscription only.
	Matched int64
	// Delivered and DeadLettered are how many deliveries ended with and without success, Pending how
	// many have not ended, and FailedAttempts how many attempts failed.
	Delivered, FailedAttempts, Pending, DeadLettered int64
	// OldestPending is when the event of the oldest pending delivery was accepted; zero without one.
	OldestPending time.Time
	// LastSuccess and LastFailure are when an attempt last succeeded and failed; zero when none has.
	LastSuccess, LastFailure time.Time
}

// Failure is one attempt that failed.
type Failure struct {
	Time               time.Time
	EventID, EventType string
	// Attempt is its number, from 1, and StatusCode that of the answer; 0 when none came.
	Attempt, StatusCode int
	// Reason is a delivery.FailureReason, and Message one sentence without secrets and addresses.
	Reason, Message string
	// NextAttempt is when the delivery is tried again; zero when it is not.
	NextAttempt time.Time
}

// EndpointFacts are all that the dispatcher knows of an endpoint.
type EndpointFacts struct {
	Name delivery.Name
	// UID and Generation are those of the object that the facts are about.
	UID        string
	Generation int64
	// Routed says whether the routing table holds this generation. Otherwise NotRoutedReason is a
	// reason of the condition Routed, and NotRoutedMessage a sentence for a user.
	Routed                            bool
	NotRoutedReason, NotRoutedMessage string
	// DestinationChecked says whether the egress guard has judged the destination; DestinationError is
	// its verdict: nil, an *egress.Refusal, or an error of DNS.
	DestinationChecked bool
	DestinationError   error
	// Circuit is the state of the circuit breaker.
	Circuit breaker.Snapshot
	// Suspended says whether the endpoint is suspended.
	Suspended bool
	// DisabledSince is when the endpoint was disabled, for the reason DisabledReason: Gone or Failing.
	// It is zero while the endpoint is enabled.
	DisabledSince  time.Time
	DisabledReason DisabledReason
	// HandledEnable is the value of the annotation posthorn.dev/enable that was acted on last.
	HandledEnable string
	Counts        Counts
	// LastFailure is the attempt that failed last; nil when none has.
	LastFailure *Failure
}

// DisabledReason says why an endpoint is disabled.
type DisabledReason string

// Reasons to disable an endpoint.
const (
	// DisabledGone means that it answered 410.
	DisabledGone = DisabledReason(hookv1.DisabledReasonGone)
	// DisabledFailing means that it failed for longer than its disableAfter.
	DisabledFailing = DisabledReason(hookv1.DisabledReasonFailing)
)

// SubscriptionFacts are all that the dispatcher knows of a subscription.
type SubscriptionFacts struct {
	Name delivery.Name
	// UID and Generation are those of the object that the facts are about.
	UID        string
	Generation int64
	// Routed, NotRoutedReason and NotRoutedMessage are as in EndpointFacts.
	Routed                            bool
	NotRoutedReason, NotRoutedMessage string
	// Endpoint is where the events go.
	Endpoint delivery.Name
	// Delivering says why deliveries are overdue; empty when they are not. DeliveringSince is when that
	// began, and DeliveringDetail a clause for the message, without a full stop.
	Delivering       DeliveringReason
	DeliveringSince  time.Time
	DeliveringDetail string
	// OverShare says whether the namespace holds its full share of the event log.
	OverShare bool
	Counts    Counts
	// RecentFailures are the attempts that failed last, the newest first; five of them are shown.
	RecentFailures []Failure
}

// DeliveringReason says why the deliveries of a subscription are overdue.
type DeliveringReason string

// Reasons of overdue deliveries.
const (
	// Healthy means that no delivery is overdue.
	Healthy DeliveringReason = ""
	// CircuitOpen means that the circuit of the endpoint is open.
	CircuitOpen = DeliveringReason(hookv1.ReasonCircuitOpen)
	// Throttled means that deliveries wait for the rate limit, or for the wait that the endpoint asked for.
	Throttled = DeliveringReason(hookv1.ReasonThrottled)
	// Suspended means that the subscription or its endpoint is suspended.
	Suspended = DeliveringReason(hookv1.ReasonSuspended)
	// Failing means that deliveries fail and wait for their next attempt.
	Failing = DeliveringReason(hookv1.ReasonFailing)
	// EndpointDisabled means that the endpoint is disabled.
	EndpointDisabled = DeliveringReason(hookv1.ReasonEndpointDisabled)
	// EndpointHeld means that the endpoint is gone, or no longer admits the subscription's namespace:
	// deliveries are held.
	EndpointHeld DeliveringReason = "EndpointHeld"
)
