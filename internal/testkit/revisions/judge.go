// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package revisions

import (
	"context"
	"fmt"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/runtime/conditions/check"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// stallReasons are those that only a change of the spec can help. Failed with another one would give
// an object up that may still come right.
var stallReasons = map[string]bool{
	hookv1.ReasonInvalidSpec: true, hookv1.ReasonInvalidEventType: true, hookv1.ReasonInvalidSource: true,
	hookv1.ReasonInvalidFilter: true, hookv1.ReasonFilterTooExpensive: true,
	hookv1.ReasonInvalidTransform: true, hookv1.ReasonTransformTooExpensive: true,
	hookv1.ReasonInvalidExpression: true, hookv1.ReasonExpressionTooExpensive: true,
	hookv1.ReasonSchemaInvalid: true, hookv1.ReasonRemoteRefNotAllowed: true, hookv1.ReasonExampleInvalid: true,
}

// compute returns what kstatus makes of an object, and the generation that its status is about.
func compute(o object) (computed status.Status, observed int64, err error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return "", 0, fmt.Errorf("convert %T: %w", o, err)
	}
	result, err := status.Compute(&unstructured.Unstructured{Object: fields})
	if err != nil {
		return "", 0, fmt.Errorf("compute status of %T: %w", o, err)
	}
	observed, _, err = unstructured.NestedInt64(fields, "status", "observedGeneration")
	if err != nil {
		return "", 0, fmt.Errorf("read status of %T: %w", o, err)
	}
	return result.Status, observed, nil
}

// judge returns what is wrong with a revision. Whether it is the first that is Current decides what must hold
// besides: later the dispatcher may be about to say otherwise, which the operator sums up in its turn.
func judge(o object, computed status.Status, observed int64, becameCurrent bool) []error {
	var errs []error
	ready := meta.FindStatusCondition(o.GetConditions(), hookv1.ConditionReady)
	if computed != status.InProgressStatus && (ready == nil || ready.ObservedGeneration != o.GetGeneration()) {
		errs = append(errs, fmt.Errorf("%s without a Ready of this generation", computed))
	}
	if becameCurrent {
		for _, required := range requiredOf(o) {
			c := meta.FindStatusCondition(o.GetConditions(), required)
			if c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != o.GetGeneration() {
				errs = append(errs, fmt.Errorf("current before %s of this generation is True", required))
			}
		}
	}
	if computed == status.FailedStatus && (ready == nil || !stallReasons[ready.Reason]) {
		errs = append(errs, fmt.Errorf("failed, though it may still come right"))
	}
	if observed == o.GetGeneration() {
		errs = append(errs, checkConditions(o)...)
	}
	return errs
}

// requiredOf lists what must be True of an object before an event would be delivered, or made. Of an event source
// Watching is not among it: a watch that is being replaced, and a source that is suspended, are in order.
func requiredOf(o object) []string {
	switch o := o.(type) {
	case *hookv1.WebhookEndpoint:
		required := []string{hookv1.ConditionRouted, hookv1.ConditionDestinationAllowed}
		if o.SigningSecretName() != "" {
			required = append(required, hookv1.ConditionSigningKeyReady)
		}
		if o.Spec.ServiceRef != nil {
			required = append(required, hookv1.ConditionServiceResolved)
		}
		return required
	case *hookv1.WebhookEventSource:
		required := []string{hookv1.ConditionPermissionsGranted}
		if o.Spec.When != nil {
			required = append(required, hookv1.ConditionExpressionValid)
		}
		return required
	case *hookv1.WebhookEventType:
		return []string{hookv1.ConditionRouted, hookv1.ConditionSchemaValid}
	default:
		return []string{hookv1.ConditionRouted, hookv1.ConditionEndpointResolved, hookv1.ConditionFilterValid}
	}
}

// checkConditions runs the checks of flux on a status that a reconcile has written: the full ones, and
// those of an object in progress while Ready is Unknown.
func checkConditions(o object) []error {
	checker := check.NewInProgressChecker(nil)
	ready := meta.FindStatusCondition(o.GetConditions(), hookv1.ConditionReady)
	if ready != nil && ready.Status != metav1.ConditionUnknown {
		checker = check.NewChecker(nil, &check.Conditions{
			NegativePolarity: []string{hookv1.ConditionStalled, hookv1.ConditionReconciling},
		})
	}
	checker.DisableFetch = true
	fail, warn := checker.Check(context.Background(), o)
	var errs []error
	for _, err := range []error{fail, warn} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}
