// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"maps"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// updated passes creations and deletions, and those updates that changed says yes to.
func updated(changed func(before, after client.Object) bool) predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool { return changed(e.ObjectOld, e.ObjectNew) }}
}

// specChanged reports a change of what the user writes, or the beginning of a deletion.
func specChanged(before, after client.Object) bool {
	return before.GetGeneration() != after.GetGeneration() ||
		!maps.Equal(before.GetAnnotations(), after.GetAnnotations()) ||
		before.GetDeletionTimestamp().IsZero() != after.GetDeletionTimestamp().IsZero() ||
		before.GetUID() != after.GetUID()
}

// endpointChanged reports a change of an endpoint that is the operator's business: of the spec, of a
// condition, or of what the operator wrote. The dispatcher's counters, which a busy endpoint changes
// every 10 seconds, are not.
func endpointChanged(before, after client.Object) bool {
	return specChanged(before, after) ||
		!equality.Semantic.DeepEqual(ownEndpointStatus(before), ownEndpointStatus(after))
}

func ownEndpointStatus(obj client.Object) hookv1.WebhookEndpointStatus {
	status := obj.(*hookv1.WebhookEndpoint).Status
	status.Circuit, status.Deliveries, status.LastFailure = nil, nil, nil
	status.Disabled, status.LastHandledEnable = nil, ""
	return status
}

// subscriptionChanged is the same for a subscription.
func subscriptionChanged(before, after client.Object) bool {
	return specChanged(before, after) ||
		!equality.Semantic.DeepEqual(ownSubscriptionStatus(before), ownSubscriptionStatus(after))
}

func ownSubscriptionStatus(obj client.Object) hookv1.WebhookSubscriptionStatus {
	status := obj.(*hookv1.WebhookSubscription).Status
	status.Deliveries, status.RecentFailures = nil, nil
	return status
}

// eventSourceChanged is the same for an event source.
func eventSourceChanged(before, after client.Object) bool {
	return specChanged(before, after) ||
		!equality.Semantic.DeepEqual(ownEventSourceStatus(before), ownEventSourceStatus(after))
}

func ownEventSourceStatus(obj client.Object) hookv1.WebhookEventSourceStatus {
	status := obj.(*hookv1.WebhookEventSource).Status
	status.Resources, status.Objects, status.Emitted, status.LastEventTime, status.LastGap = nil, nil, nil, nil, nil
	return status
}

// eventTypeChanged is the same for an event type: of what the dispatcher writes, when it was seen last is
// nobody's business here.
func eventTypeChanged(before, after client.Object) bool {
	return specChanged(before, after) ||
		!equality.Semantic.DeepEqual(ownEventTypeStatus(before), ownEventTypeStatus(after))
}

func ownEventTypeStatus(obj client.Object) hookv1.WebhookEventTypeStatus {
	status := obj.(*hookv1.WebhookEventType).Status
	status.LastSeenTime = nil
	return status
}

// referredEndpointChanged reports a change of an endpoint that matters to its subscriptions: of the
// spec, with the grant, and of Ready. That it counts its subscriptions must not wake them all.
func referredEndpointChanged(before, after client.Object) bool {
	if specChanged(before, after) {
		return true
	}
	was := meta.FindStatusCondition(before.(conditioned).GetConditions(), hookv1.ConditionReady)
	is := meta.FindStatusCondition(after.(conditioned).GetConditions(), hookv1.ConditionReady)
	if was == nil || is == nil {
		return was != is
	}
	return was.Status != is.Status || was.ObservedGeneration != is.ObservedGeneration
}

// labelsChanged reports a change of labels.
func labelsChanged(before, after client.Object) bool {
	return !maps.Equal(before.GetLabels(), after.GetLabels())
}

// generationChanged reports a change of the spec alone.
func generationChanged(before, after client.Object) bool {
	return before.GetGeneration() != after.GetGeneration()
}
