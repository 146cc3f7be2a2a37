// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// wanted returns what the status of the subscription should say. stored is what it says now, and empty
// for an object that is new or has another UID.
func (f *SubscriptionFacts) wanted(stored *state, now time.Time) *state {
	s := &state{
		Deliveries: &hookv1.SubscriptionDeliveries{
			Matched: count(f.Counts.Matched), EndpointDeliveries: endpointDeliveries(f.Counts),
		},
		RecentFailures: recentFailures(f.RecentFailures),
	}
	s.set(stored, routedCondition(hookv1.KindWebhookSubscription, f.Name.Name, f.Generation, f.Routed,
		f.NotRoutedReason, f.NotRoutedMessage), time.Time{}, now)
	c := f.deliveringCondition()
	c.ObservedGeneration = stamp(stored, c.Type, f.Generation, f.Routed)
	s.set(stored, c, f.DeliveringSince, now)
	return s
}

// deliveringCondition says whether deliveries go out in time.
func (f *SubscriptionFacts) deliveringCondition() metav1.Condition {
	c := metav1.Condition{Type: hookv1.ConditionDelivering, Status: metav1.ConditionFalse}
	switch {
	case f.Delivering != Healthy:
		c.Reason = f.deliveringReason()
		c.Message = f.deliveringMessage()
	case f.OverShare:
		c.Reason = hookv1.ReasonNamespaceOverShare
		c.Message = fmt.Sprintf("Namespace %s holds its full share of the event log, so that its producers are refused: repair the receivers whose deliveries wait, or ask for a larger share.", f.Name.Namespace)
	default:
		c.Status, c.Reason = metav1.ConditionTrue, hookv1.ReasonHealthy
		c.Message = fmt.Sprintf("No delivery of WebhookSubscription %s is overdue.", f.Name.Name)
	}
	return c
}

// deliveringReason returns the reason of the condition. What stands for an endpoint that is held
// depends on whose it is: a tenant must not learn whether another one's endpoint exists.
func (f *SubscriptionFacts) deliveringReason() string {
	switch {
	case f.Delivering != EndpointHeld:
		return string(f.Delivering)
	case f.Endpoint.Namespace != f.Name.Namespace:
		return hookv1.ReasonRefNotPermitted
	default:
		return hookv1.ReasonEndpointNotRouted
	}
}

// deliveringMessage is one sentence: since when deliveries wait, why, and what to do.
func (f *SubscriptionFacts) deliveringMessage() string {
	message := fmt.Sprintf("Deliveries of WebhookSubscription %s wait", f.Name.Name)
	if !f.DeliveringSince.IsZero() {
		message += " since " + clock(f.DeliveringSince)
	}
	if f.DeliveringDetail != "" {
		message += " (" + f.DeliveringDetail + ")"
	}
	message += ": " + f.remedy()
	if f.OverShare {
		message += "; the namespace holds its full share of the event log, so that its producers are refused"
	}
	return message + "."
}

// remedy says why deliveries wait and what to do about it.
func (f *SubscriptionFacts) remedy() string {
	endpoint := "WebhookEndpoint " + f.Endpoint.Name
	if f.Endpoint.Namespace != f.Name.Namespace {
		endpoint = "WebhookEndpoint " + f.Endpoint.String()
	}
	switch f.Delivering {
	case CircuitOpen:
		return "the circuit of " + endpoint + " is open, so see status.recentFailures and repair the receiver"
	case Throttled:
		return endpoint + " takes no more for now, so raise its rateLimit, or let the receiver take more"
	case Suspended:
		return "the subscription or " + endpoint + " is suspended, so set spec.suspend to false to go on"
	case Failing:
		return endpoint + " fails, so see status.recentFailures and repair the receiver"
	case EndpointDisabled:
		return endpoint + " is disabled, so change its spec, or give its annotation " + hookv1.AnnotationEnable + " a new value"
	case EndpointHeld:
		return endpoint + " does not exist or does not admit this namespace, so create it, or have it admit the namespace"
	default:
		return endpoint + " does not take them, so see status.recentFailures"
	}
}
