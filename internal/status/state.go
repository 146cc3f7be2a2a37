// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// state is all that the dispatcher says of one object, of any kind: its own part of the status.
type state struct {
	// Conditions are the dispatcher's, in a fixed order.
	Conditions []metav1.Condition
	// Deliveries are the counters; those of an endpoint have no Matched.
	Deliveries *hookv1.SubscriptionDeliveries

	// Circuit, Disabled, LastFailure and LastHandledEnable are of an endpoint only.
	Circuit           *hookv1.CircuitStatus
	Disabled          *hookv1.DisabledStatus
	LastFailure       *hookv1.LastFailure
	LastHandledEnable string

	// RecentFailures are of a subscription only.
	RecentFailures []hookv1.RecentFailure

	// Source is of an event source only: its figures.
	Source *hookv1.WebhookEventSourceStatus
	// LastSeen is of an event type only.
	LastSeen *metav1.Time
}

// ownConditions are the types that the dispatcher writes, in the order in which they are shown.
var ownConditions = []string{
	hookv1.ConditionDestinationAllowed, hookv1.ConditionCircuitClosed, hookv1.ConditionRouted, hookv1.ConditionDelivering,
	hookv1.ConditionPermissionsGranted, hookv1.ConditionWatching,
}

// Conditions returns the types of the conditions that a Writer writes, and looks at.
func Conditions() []string { return slices.Clone(ownConditions) }

// storedEndpoint returns the dispatcher's part of the status of an endpoint.
func storedEndpoint(s *hookv1.WebhookEndpointStatus) *state {
	stored := &state{
		Conditions:        own(s.Conditions),
		Circuit:           s.Circuit,
		Disabled:          s.Disabled,
		LastFailure:       s.LastFailure,
		LastHandledEnable: s.LastHandledEnable,
	}
	if s.Deliveries != nil {
		stored.Deliveries = &hookv1.SubscriptionDeliveries{EndpointDeliveries: *s.Deliveries}
	}
	return stored
}

// endpointStatus is the reverse of storedEndpoint.
func (s *state) endpointStatus() hookv1.WebhookEndpointStatus {
	status := hookv1.WebhookEndpointStatus{
		Conditions:        s.Conditions,
		Circuit:           s.Circuit,
		Disabled:          s.Disabled,
		LastFailure:       s.LastFailure,
		LastHandledEnable: s.LastHandledEnable,
	}
	if s.Deliveries != nil {
		status.Deliveries = &s.Deliveries.EndpointDeliveries
	}
	return status
}

// storedSubscription returns the dispatcher's part of the status of a subscription.
func storedSubscription(s *hookv1.WebhookSubscriptionStatus) *state {
	return &state{Conditions: own(s.Conditions), Deliveries: s.Deliveries, RecentFailures: s.RecentFailures}
}

// subscriptionStatus is the reverse of storedSubscription.
func (s *state) subscriptionStatus() hookv1.WebhookSubscriptionStatus {
	return hookv1.WebhookSubscriptionStatus{
		Conditions: s.Conditions, Deliveries: s.Deliveries, RecentFailures: s.RecentFailures,
	}
}

// storedEventType returns the dispatcher's part of the status of an event type.
func storedEventType(s *hookv1.WebhookEventTypeStatus) *state {
	return &state{Conditions: own(s.Conditions), LastSeen: s.LastSeenTime}
}

// eventTypeStatus is the reverse of storedEventType.
func (s *state) eventTypeStatus() hookv1.WebhookEventTypeStatus {
	return hookv1.WebhookEventTypeStatus{Conditions: s.Conditions, LastSeenTime: s.LastSeen}
}

// own returns the dispatcher's conditions in their order.
func own(conditions []metav1.Condition) []metav1.Condition {
	var out []metav1.Condition
	for _, t := range ownConditions {
		if c := meta.FindStatusCondition(conditions, t); c != nil {
			out = append(out, *c)
		}
	}
	return out
}

// condition returns the condition of that type, or nil.
func (s *state) condition(conditionType string) *metav1.Condition {
	return meta.FindStatusCondition(s.Conditions, conditionType)
}

// urgency says how soon a difference between two states is written.
type urgency int

const (
	// none: there is no difference.
	none urgency = iota
	// moved: counters, times or the wording of a message.
	moved
	// turned: a condition other than Routed, or what it rests on.
	turned
	// routed: the condition Routed, which somebody waits for.
	routed
)

// urgencyOf compares what is stored with what should be.
func urgencyOf(stored, wanted *state) urgency {
	if u := transition(stored, wanted); u != none {
		return u
	}
	if !equality.Semantic.DeepEqual(stored, wanted) {
		return moved
	}
	return none
}

// transition compares the conditions and what they rest on: its result is routed, turned or none.
func transition(stored, wanted *state) urgency {
	switch {
	case turn(stored, wanted, hookv1.ConditionRouted):
		return routed
	case slices.ContainsFunc(ownConditions, func(t string) bool { return turn(stored, wanted, t) }),
		disabledReason(stored) != disabledReason(wanted),
		stored.LastHandledEnable != wanted.LastHandledEnable:
		return turned
	default:
		return none
	}
}

// turn reports whether a condition came, went, or is another one. Its message may differ: it holds
// times that change with each attempt.
func turn(stored, wanted *state, conditionType string) bool {
	a, b := stored.condition(conditionType), wanted.condition(conditionType)
	if a == nil || b == nil {
		return a != b
	}
	return a.Status != b.Status || a.Reason != b.Reason || a.ObservedGeneration != b.ObservedGeneration
}

// disabledReason returns why the endpoint is disabled; empty when it is not.
func disabledReason(s *state) hookv1.DisabledReason {
	if s.Disabled == nil {
		return ""
	}
	return s.Disabled.Reason
}

// set puts a condition into the state. Its time of transition is that of the stored condition while
// the status stays; otherwise it is since, or now where that is unknown.
func (s *state) set(stored *state, c metav1.Condition, since, now time.Time) {
	c.Message = bounded(c.Message, maxConditionMessage)
	if last := stored.condition(c.Type); last != nil && last.Status == c.Status {
		c.LastTransitionTime = last.LastTransitionTime
	} else {
		if since.IsZero() || since.After(now) {
			since = now
		}
		c.LastTransitionTime = seconds(since)
	}
	s.Conditions = append(s.Conditions, c)
}
