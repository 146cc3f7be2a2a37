// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package revisions

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

func TestRecord_ObjectsToWhatNobodyMayConclude(t *testing.T) {
	t.Parallel()
	const True, False = metav1.ConditionTrue, metav1.ConditionFalse
	condition := func(name string, is metav1.ConditionStatus, reason string, generation int64) metav1.Condition {
		return metav1.Condition{Type: name, Status: is, Reason: reason, ObservedGeneration: generation, Message: "It is so."}
	}
	// What is there at generation 2 while all is well.
	well := func(routed int64) []metav1.Condition {
		return []metav1.Condition{
			condition(hookv1.ConditionReady, True, hookv1.ReasonSucceeded, 2),
			condition(hookv1.ConditionEndpointResolved, True, hookv1.ReasonResolved, 2),
			condition(hookv1.ConditionFilterValid, True, hookv1.ReasonValid, 2),
			condition(hookv1.ConditionRouted, True, hookv1.ReasonLoaded, routed),
		}
	}
	stalled := func(reason string) []metav1.Condition {
		return []metav1.Condition{
			condition(hookv1.ConditionReady, False, reason, 2), condition(hookv1.ConditionStalled, True, reason, 2),
		}
	}
	tests := map[string]struct {
		observed    int64
		conditions  []metav1.Condition
		wantStatus  string
		wantMessage string // empty where there is nothing to object to
	}{
		"current, and routed":                {2, well(2), "Current", ""},
		"current, and routed before":         {2, well(1), "Current", "current before Routed of this generation is True"},
		"current by what was said before":    {2, []metav1.Condition{condition(hookv1.ConditionReady, True, hookv1.ReasonSucceeded, 1)}, "Current", "Current without a Ready of this generation"},
		"changed and not looked at":          {1, []metav1.Condition{condition(hookv1.ConditionReady, True, hookv1.ReasonSucceeded, 1)}, "InProgress", ""},
		"failed by its spec":                 {2, stalled(hookv1.ReasonInvalidFilter), "Failed", ""},
		"failed for want of a Secret":        {2, stalled(hookv1.ReasonSecretNotFound), "Failed", "failed, though it may still come right"},
		"looked at, and nothing said of it":  {2, nil, "Current", "Current without a Ready of this generation"},
		"not yet looked at since its making": {-1, nil, "InProgress", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRecorder(nil)
			r.record(&hookv1.WebhookSubscription{
				ObjectMeta: metav1.ObjectMeta{Name: "orders", Generation: 2},
				Status:     hookv1.WebhookSubscriptionStatus{ObservedGeneration: &tc.observed, Conditions: tc.conditions},
			})
			for got := range r.Statuses() {
				if string(got) != tc.wantStatus {
					t.Errorf("it is %s, want %s", got, tc.wantStatus)
				}
			}
			found := strings.Join(r.Violations(), "\n")
			if !strings.Contains(found, tc.wantMessage) || tc.wantMessage == "" && found != "" {
				t.Errorf("found %q, want %q", found, tc.wantMessage)
			}
		})
	}
}

func TestRecord_HoldsASourceToItsOwnConditions(t *testing.T) {
	t.Parallel()
	condition := func(name string, is metav1.ConditionStatus, reason string, generation int64) metav1.Condition {
		return metav1.Condition{Type: name, Status: is, Reason: reason, ObservedGeneration: generation, Message: "It is so."}
	}
	ready := condition(hookv1.ConditionReady, metav1.ConditionTrue, hookv1.ReasonSucceeded, 2)
	granted := condition(hookv1.ConditionPermissionsGranted, metav1.ConditionTrue, hookv1.ReasonGranted, 2)
	valid := condition(hookv1.ConditionExpressionValid, metav1.ConditionTrue, hookv1.ReasonValid, 2)
	stalled := condition(hookv1.ConditionWatching, metav1.ConditionFalse, hookv1.ReasonWatchStalled, 2)
	generation := int64(2)
	for name, tc := range map[string]struct {
		when       *hookv1.When
		conditions []metav1.Condition
		want       string // empty where there is nothing to object to
	}{
		"a watch that is being replaced": {nil, []metav1.Condition{ready, granted, stalled}, ""},
		"without rights":                 {nil, []metav1.Condition{ready, stalled}, "current before PermissionsGranted"},
		"with its expression judged":     {&hookv1.When{Expression: "true"}, []metav1.Condition{ready, granted, valid, stalled}, ""},
		"before its expression is":       {&hookv1.When{Expression: "true"}, []metav1.Condition{ready, granted, stalled}, "current before ExpressionValid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRecorder(nil)
			r.record(&hookv1.WebhookEventSource{
				ObjectMeta: metav1.ObjectMeta{Name: "pods", Generation: 2},
				Spec:       hookv1.WebhookEventSourceSpec{When: tc.when},
				Status:     hookv1.WebhookEventSourceStatus{ObservedGeneration: &generation, Conditions: tc.conditions},
			})
			found := strings.Join(r.Violations(), "\n")
			if !strings.Contains(found, tc.want) || tc.want == "" && found != "" {
				t.Errorf("found %q, want %q", found, tc.want)
			}
		})
	}
}
