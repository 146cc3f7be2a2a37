// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// recheckInterval is how soon something is looked at again that no watch reports: ConfigMaps, and
// Secrets that lack the label. A minute is what a user who just added them will wait.
const recheckInterval = time.Minute

// maxMessage bounds the message of a condition or an Event, in bytes: events.k8s.io refuses notes
// over 1 KiB.
const maxMessage = 1000

// report collects what the steps of one reconcile found.
type report struct {
	conditions []metav1.Condition
	verdicts   []*verdict
	events     []transition
	// wake is when the object is looked at again without being asked to; 0 means not at all.
	wake time.Duration
}

// transition is something that was done for an object, to be told in a Kubernetes Event.
type transition struct {
	eventType, reason, action, note string
}

// set records a condition that the operator owns.
func (r *report) set(conditionType string, status metav1.ConditionStatus, reason, message string) {
	r.conditions = append(r.conditions, metav1.Condition{
		Type: conditionType, Status: status, Reason: reason, Message: sentence(message),
	})
}

// met records that a condition is True.
func (r *report) met(conditionType, reason, message string) {
	r.set(conditionType, metav1.ConditionTrue, reason, message)
}

// judge records a verdict, which keeps Ready from being True. The condition that the step owns takes
// it over; conditionType is empty for a step that owns none. An error that is no verdict is returned.
func (r *report) judge(conditionType string, err error) error {
	var v *verdict
	if !errors.As(err, &v) {
		return err
	}
	r.verdicts = append(r.verdicts, v)
	if conditionType != "" {
		r.set(conditionType, v.status, v.reason, v.message)
	}
	if v.unwatched {
		r.wakeIn(recheckInterval)
	}
	return nil
}

// blocked reports whether a step found something wrong.
func (r *report) blocked() bool {
	for _, v := range r.verdicts {
		if v.status == metav1.ConditionFalse {
			return true
		}
	}
	return false
}

// wakeIn has the object looked at again after d at the latest.
func (r *report) wakeIn(d time.Duration) {
	d = max(d, time.Second)
	if r.wake == 0 || d < r.wake {
		r.wake = d
	}
}

// tell records a Kubernetes Event.
func (r *report) tell(eventType, reason, action, note string) {
	r.events = append(r.events, transition{eventType, reason, action, sentence(note)})
}

// worst returns the verdict that Ready shows, or nil: what no retry can help, then what is wrong,
// then what is not finished; among equals the first.
func (r *report) worst() *verdict {
	var worst *verdict
	for _, v := range r.verdicts {
		if worst == nil || v.rank() > worst.rank() {
			worst = v
		}
	}
	return worst
}

func (v *verdict) rank() int {
	switch {
	case v.stalled:
		return 2
	case v.status == metav1.ConditionFalse:
		return 1
	default:
		return 0
	}
}

// summarise adds Ready, and Reconciling or Stalled where they apply. The message is Ready's when
// nothing is wrong.
func (r *report) summarise(message string) {
	v := r.worst()
	if v == nil {
		r.met(hookv1.ConditionReady, hookv1.ReasonSucceeded, message)
		return
	}
	r.set(hookv1.ConditionReady, v.status, v.reason, v.message)
	present := hookv1.ConditionReconciling
	if v.stalled {
		present = hookv1.ConditionStalled
	}
	r.met(present, v.reason, v.message)
}

// sentence ends a message with a full stop and bounds it, without cutting a character in two.
func sentence(s string) string {
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	if len(s) <= maxMessage {
		return s
	}
	cut := maxMessage - len("…")
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
