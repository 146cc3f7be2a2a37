// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/egress"
)

// wanted returns what the status of the endpoint should say. stored is what it says now, and empty for
// an object that is new or has another UID.
func (f *EndpointFacts) wanted(stored *state, now time.Time) *state {
	s := &state{
		Deliveries:        &hookv1.SubscriptionDeliveries{EndpointDeliveries: endpointDeliveries(f.Counts)},
		Circuit:           circuitStatus(f.Circuit, stored.Circuit),
		LastHandledEnable: bounded(f.HandledEnable, maxEnable),
	}
	if !f.DisabledSince.IsZero() {
		s.Disabled = &hookv1.DisabledStatus{
			Since: optionalSeconds(f.DisabledSince), Reason: hookv1.DisabledReason(f.DisabledReason),
		}
	}
	if f.LastFailure != nil {
		last := lastFailure(*f.LastFailure)
		s.LastFailure = &last
	}
	f.setDestination(s, stored, now)
	circuit, since := f.circuitCondition()
	circuit.ObservedGeneration = stamp(stored, circuit.Type, f.Generation, f.Routed)
	s.set(stored, circuit, since, now)
	s.set(stored, routedCondition(hookv1.KindWebhookEndpoint, f.Name.Name, f.Generation, f.Routed,
		f.NotRoutedReason, f.NotRoutedMessage), time.Time{}, now)
	return s
}

// setDestination sets DestinationAllowed. Before the destination is looked at, what was said of it
// before stays, under the generation that it was said of.
func (f *EndpointFacts) setDestination(s, stored *state, now time.Time) {
	if !f.DestinationChecked {
		if last := stored.condition(hookv1.ConditionDestinationAllowed); last != nil {
			s.Conditions = append(s.Conditions, *last)
		}
		return
	}
	c := f.destinationCondition()
	c.ObservedGeneration = stamp(stored, c.Type, f.Generation, f.Routed)
	s.set(stored, c, time.Time{}, now)
}

// destinationCondition says what the egress guard thinks of the destination.
func (f *EndpointFacts) destinationCondition() metav1.Condition {
	c := metav1.Condition{Type: hookv1.ConditionDestinationAllowed}
	var refusal *egress.Refusal
	switch {
	case f.DestinationError == nil:
		c.Status, c.Reason = metav1.ConditionTrue, hookv1.ReasonAllowed
		c.Message = fmt.Sprintf("The egress policy admits the destination of WebhookEndpoint %s.", f.Name.Name)
	case errors.As(f.DestinationError, &refusal):
		c.Status, c.Reason = metav1.ConditionFalse, hookv1.ReasonAddressNotAllowed
		remedy := ": change the URL, or ask the platform to allow the range"
		if refusal.Class == egress.Cluster {
			c.Reason, remedy = hookv1.ReasonClusterAddress, ""
		}
		// The refusal names the class of the address, never the address.
		c.Message = fmt.Sprintf("WebhookEndpoint %s may not send: %s%s.", f.Name.Name, refusal.Error(), remedy)
	default:
		c.Status, c.Reason = metav1.ConditionUnknown, hookv1.ReasonHostNotFound
		c.Message = fmt.Sprintf("The host of WebhookEndpoint %s does not resolve: correct its URL, or add the name to DNS.", f.Name.Name)
	}
	return c
}

// circuitCondition says whether requests flow, and since when.
func (f *EndpointFacts) circuitCondition() (metav1.Condition, time.Time) {
	c := metav1.Condition{Type: hookv1.ConditionCircuitClosed, Status: metav1.ConditionFalse}
	if !f.DisabledSince.IsZero() {
		c.Reason = hookv1.ReasonEndpointDisabled
		cause := "it failed for longer than its disableAfter"
		if f.DisabledReason == DisabledGone {
			cause = "it answered 410 Gone"
		}
		c.Message = fmt.Sprintf("WebhookEndpoint %s was disabled at %s because %s: change its spec, or give the annotation %s a new value, to enable it.",
			f.Name.Name, clock(f.DisabledSince), cause, hookv1.AnnotationEnable)
		return c, f.DisabledSince
	}
	switch f.Circuit.State {
	case breaker.Open:
		c.Reason = hookv1.ReasonCircuitOpen
		c.Message = fmt.Sprintf("The circuit of WebhookEndpoint %s is open since %s after %d failures in a row, and the next probe is at %s: see status.lastFailure and repair the receiver.",
			f.Name.Name, clock(f.Circuit.Since), f.Circuit.ConsecutiveFailures, clock(f.Circuit.NextProbe))
	case breaker.HalfOpen:
		c.Reason = hookv1.ReasonCircuitHalfOpen
		c.Message = fmt.Sprintf("The circuit of WebhookEndpoint %s is open since %s, and single deliveries now probe whether the receiver is back.",
			f.Name.Name, clock(f.Circuit.Since))
	default:
		c.Status, c.Reason = metav1.ConditionTrue, hookv1.ReasonClosed
		c.Message = fmt.Sprintf("Requests to WebhookEndpoint %s flow.", f.Name.Name)
		if f.Suspended {
			c.Message = fmt.Sprintf("The circuit of WebhookEndpoint %s is closed, and its deliveries wait until spec.suspend is false.", f.Name.Name)
		}
	}
	return c, f.Circuit.Since
}

// circuitStatus returns the state of a circuit as the API keeps it. One that no request has asked for
// yet is closed, and one that stays closed keeps the time since which it is: a breaker that was made
// anew after a restart does not know it.
func circuitStatus(b breaker.Snapshot, stored *hookv1.CircuitStatus) *hookv1.CircuitStatus {
	failures := int32(min(max(b.ConsecutiveFailures, 0), 1<<30))
	s := &hookv1.CircuitStatus{
		State:               hookv1.CircuitState(b.State),
		Since:               optionalSeconds(b.Since),
		ConsecutiveFailures: &failures,
	}
	if s.State == "" {
		s.State = hookv1.CircuitStateClosed
	}
	if s.State == hookv1.CircuitStateClosed && stored != nil && stored.State == s.State && stored.Since != nil {
		s.Since = stored.Since
	}
	if b.State == breaker.Open {
		s.NextProbeTime = optionalSeconds(b.NextProbe)
	}
	return s
}
