// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// dispatcherVerdict is what the dispatcher's conditions mean for Ready; nil when they are all that
// Ready needs. Those in required must be True. Every other one that is there must at least speak of
// this generation, since a stale one beside Ready=True would be a contradiction to kstatus.
func (b *Base) dispatcherVerdict(obj conditioned, required ...string) *verdict {
	if b.Dispatcher.unavailableTo(obj) {
		return pendingf(hookv1.ReasonDispatcherUnavailable,
			"The dispatcher has not shown life for 5 minutes: look at its Deployment in namespace %s", b.Namespace)
	}
	for _, conditionType := range required {
		c := meta.FindStatusCondition(obj.GetConditions(), conditionType)
		if c == nil || c.ObservedGeneration != obj.GetGeneration() {
			return notRouted(obj)
		}
		if c.Status != metav1.ConditionTrue {
			// The dispatcher writes an Event for each of its conditions that goes wrong, but for Routed.
			told := conditionType != hookv1.ConditionRouted && c.Status == metav1.ConditionFalse
			return &verdict{reason: c.Reason, message: c.Message, status: c.Status, told: told}
		}
	}
	stale := func(c metav1.Condition) bool {
		return !ownedByOperator(c.Type) && c.ObservedGeneration != obj.GetGeneration()
	}
	if slices.ContainsFunc(obj.GetConditions(), stale) {
		return notRouted(obj)
	}
	return nil
}

func notRouted(obj conditioned) *verdict {
	done := "routed"
	if kindOf(obj) == hookv1.KindWebhookEventSource {
		done = "taken up"
	}
	return pendingf(hookv1.ReasonWaitingForDispatcher, "The dispatcher has not yet %s generation %d of %s %s: wait for it",
		done, obj.GetGeneration(), kindOf(obj), obj.GetName())
}
