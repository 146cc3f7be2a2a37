// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// deadLetterNoticeInterval is the least time between two Kubernetes Events that tell of dead letters of
// one subscription: under a long outage each write of its counters would be one.
const deadLetterNoticeInterval = 10 * time.Minute

// Actions of Kubernetes Events: what the dispatcher was doing.
const (
	actionSend  = "Send"
	actionRoute = "Route"
	actionWatch = "Watch"
)

// notice is one Kubernetes Event.
type notice struct {
	regarding corev1.ObjectReference
	eventType string
	reason    string
	action    string
	note      string
}

// noticesOf returns the Kubernetes Events of what changed by a write. An object's first status tells
// only of what is wrong.
func noticesOf(e *entry, j job, now time.Time) []notice {
	var out []notice
	add := func(eventType, reason, action, note string) {
		out = append(out, notice{
			regarding: corev1.ObjectReference{
				APIVersion: hookv1.GroupVersion.String(), Kind: e.key.kind,
				Namespace: e.key.name.Namespace, Name: e.key.name.Name, UID: types.UID(j.uid),
			},
			eventType: eventType, reason: reason, action: action, note: note,
		})
	}
	circuitNotice(e.key.name.Name, j, add)
	watchNotice(e, j, add)
	if c := j.wanted.condition(hookv1.ConditionDestinationAllowed); c != nil && c.Status == metav1.ConditionFalse && !sameReason(j, c.Type) {
		add(corev1.EventTypeWarning, c.Reason, actionRoute, c.Message)
	}
	if n := newDeadLetters(j); e.key.kind == hookv1.KindWebhookSubscription && n > 0 &&
		(e.lastDeadLetterNotice.IsZero() || now.Sub(e.lastDeadLetterNotice) >= deadLetterNoticeInterval) {
		e.lastDeadLetterNotice = now
		add(corev1.EventTypeWarning, hookv1.EventDeadLettered, actionSend, fmt.Sprintf(
			"%d deliveries of WebhookSubscription %s ended without success: see status.recentFailures and the dead-letter log.",
			n, e.key.name.Name))
	}
	return out
}

// circuitNotice tells of a circuit that opened or closed, and of an endpoint that was disabled or
// enabled. Half-open is not told: it comes and goes with every probe.
func circuitNotice(name string, j job, add func(eventType, reason, action, note string)) {
	c := j.wanted.condition(hookv1.ConditionCircuitClosed)
	if c == nil || sameReason(j, c.Type) {
		return
	}
	before := ""
	if last := j.stored.condition(c.Type); last != nil {
		before = last.Reason
	}
	if before == hookv1.ReasonEndpointDisabled {
		add(corev1.EventTypeNormal, hookv1.EventEndpointEnabled, actionSend,
			fmt.Sprintf("WebhookEndpoint %s is enabled again.", name))
	}
	switch c.Reason {
	case hookv1.ReasonEndpointDisabled:
		add(corev1.EventTypeWarning, hookv1.ReasonEndpointDisabled, actionSend, c.Message)
	case hookv1.ReasonCircuitOpen:
		if before != hookv1.ReasonCircuitHalfOpen {
			add(corev1.EventTypeWarning, hookv1.ReasonCircuitOpen, actionSend, c.Message)
		}
	case hookv1.ReasonClosed:
		if before == hookv1.ReasonCircuitOpen || before == hookv1.ReasonCircuitHalfOpen {
			add(corev1.EventTypeNormal, hookv1.EventCircuitClosed, actionSend, c.Message)
		}
	}
}

// watchNotice tells of an event source whose watch does not go on, that it goes on again, and of a gap. Whatever else
// keeps a source from watching changes Ready too, of which the operator tells.
func watchNotice(e *entry, j job, add func(eventType, reason, action, note string)) {
	c := j.wanted.condition(hookv1.ConditionWatching)
	if c == nil || sameReason(j, c.Type) {
		return
	}
	if last := j.stored.condition(c.Type); last != nil && last.Reason == hookv1.ReasonWatchStalled {
		e.watchStalled = true // before this process, too
	}
	if e.watchStalled && (c.Status == metav1.ConditionTrue || c.Reason == hookv1.ReasonGapUnrecoverable) {
		e.watchStalled = false
		add(corev1.EventTypeNormal, hookv1.EventWatchResumed, actionWatch,
			fmt.Sprintf("WebhookEventSource %s watches again.", e.key.name.Name))
	}
	switch {
	case c.Reason == hookv1.ReasonGapUnrecoverable:
		add(corev1.EventTypeWarning, c.Reason, actionWatch, c.Message)
	case c.Reason == hookv1.ReasonWatchStalled && !e.watchStalled:
		e.watchStalled = true
		add(corev1.EventTypeWarning, c.Reason, actionWatch, c.Message)
	}
}

// sameReason reports whether a condition keeps its status and reason.
func sameReason(j job, conditionType string) bool {
	a, b := j.stored.condition(conditionType), j.wanted.condition(conditionType)
	return a != nil && b != nil && a.Status == b.Status && a.Reason == b.Reason
}

// newDeadLetters returns how many deliveries were dead-lettered since what is stored.
func newDeadLetters(j job) int64 {
	return deadLetters(j.wanted) - deadLetters(j.stored)
}

// deadLetters returns the counter of dead letters.
func deadLetters(s *state) int64 {
	if s.Deliveries == nil || s.Deliveries.DeadLettered == nil {
		return 0
	}
	return *s.Deliveries.DeadLettered
}
