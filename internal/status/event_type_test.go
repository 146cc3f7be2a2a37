// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

func TestEventTypeFacts_BecomeConditions(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	facts := &EventTypeFacts{Name: delivery.Name{Namespace: "team-a", Name: "order"}, UID: "u", Generation: 2, Routed: true}
	got := facts.wanted(&state{}, now)
	c := got.condition(hookv1.ConditionRouted)
	if c == nil || c.Status != metav1.ConditionTrue || c.Reason != hookv1.ReasonLoaded || c.ObservedGeneration != 2 || got.LastSeen != nil {
		t.Errorf("routed: %+v", got)
	}
	if u := transition(&state{}, got); u != routed {
		t.Errorf("its urgency is %d, want that of Routed", u)
	}
	facts.Routed, facts.NotRoutedReason, facts.NotRoutedMessage = false, hookv1.ReasonTypeConflict, "Another one is older."
	c = facts.wanted(got, now).condition(hookv1.ConditionRouted)
	if c == nil || c.Status != metav1.ConditionFalse || c.Reason != hookv1.ReasonTypeConflict || c.Message != "Another one is older." {
		t.Errorf("not routed: %+v", c)
	}
}

func TestEventTypeFacts_TellWhenTheTypeWasSeenByTheMinute(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	facts := &EventTypeFacts{Name: delivery.Name{Namespace: "team-a", Name: "order"}, UID: "u", Generation: 1, Routed: true, LastSeen: now}
	first := facts.wanted(&state{}, now)
	if first.LastSeen == nil || !first.LastSeen.Time.Equal(now) {
		t.Fatalf("seen first: %v, want %v", first.LastSeen, now)
	}
	facts.LastSeen = now.Add(59 * time.Second)
	if u := urgencyOf(first, facts.wanted(first, now)); u != none {
		t.Errorf("within the minute it is written again, with urgency %d", u)
	}
	facts.LastSeen = now.Add(time.Minute)
	if u := urgencyOf(first, facts.wanted(first, now)); u != moved {
		t.Errorf("after a minute its urgency is %d, want that of counters", u)
	}
	// A process that has just started has seen none.
	facts.LastSeen = time.Time{}
	if got := facts.wanted(first, now); got.LastSeen == nil || !got.LastSeen.Time.Equal(now) {
		t.Errorf("after a restart: %v, want what is stored", got.LastSeen)
	}
}
