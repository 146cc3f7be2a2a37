// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// routedCondition says whether the routing table holds this generation of the object.
func routedCondition(kind, name string, generation int64, isRouted bool, reason, message string) metav1.Condition {
	c := metav1.Condition{
		Type: hookv1.ConditionRouted, Status: metav1.ConditionFalse, ObservedGeneration: generation,
		Reason: reason, Message: message,
	}
	switch {
	case isRouted:
		c.Status, c.Reason = metav1.ConditionTrue, hookv1.ReasonLoaded
		c.Message = fmt.Sprintf("The dispatcher routes this generation of %s %s.", kind, name)
		if kind == hookv1.KindWebhookEventType {
			c.Message = fmt.Sprintf("The dispatcher checks events by this generation of %s %s.", kind, name)
		}
	case c.Reason == "":
		c.Reason = hookv1.ReasonCredentialsPending
		if kind == hookv1.KindWebhookSubscription {
			c.Reason = hookv1.ReasonEndpointNotRouted
		}
	}
	if c.Message == "" {
		c.Message = fmt.Sprintf("%s %s is not routed: see the condition Ready.", kind, name)
	}
	return c
}

// stamp returns the generation that a condition other than Routed is about. The dispatcher stamps all
// of them anew when it routes a new generation; until then they speak of the one before.
func stamp(stored *state, conditionType string, generation int64, isRouted bool) int64 {
	if isRouted {
		return generation
	}
	if last := stored.condition(conditionType); last != nil {
		return last.ObservedGeneration
	}
	return generation
}
