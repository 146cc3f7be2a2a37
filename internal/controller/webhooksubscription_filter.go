// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"strings"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/filter"
)

// reconcileFilter owns FilterValid: it compiles the subscription as the dispatcher will. What does not
// compile for another cause than the filter shows in Ready alone.
func (r *WebhookSubscriptionReconciler) reconcileFilter(ctx context.Context, run *subscriptionRun) error {
	_, err := compile.Subscription(run.obj, r.Defaults)
	var e *compile.Error
	switch {
	case err == nil:
	case !errors.As(err, &e):
		return err
	default:
		if reason := filterReason(e); reason != "" {
			return run.judge(hookv1.ConditionFilterValid, stalledf(reason, "%s", e.Error()))
		}
		if err := run.judge("", stalledf(hookv1.ReasonInvalidSpec, "%s", e.Error())); err != nil {
			return err
		}
	}
	if run.effective, err = compile.EffectiveSubscription(run.obj, r.Defaults); err != nil {
		run.effective = nil
	}
	// The dispatcher goes on with the subscription: what is missing in an event does not match, as ever. And it may
	// come right by itself, when the type changes.
	switch missing, err := r.checkFields(ctx, run.obj); {
	case err != nil:
		return err
	case missing != nil:
		return run.judge(hookv1.ConditionFilterValid, waitingf(hookv1.ReasonFieldNotFound,
			"%s: correct it, or add the field to the schema", missing.Error()))
	}
	run.met(hookv1.ConditionFilterValid, hookv1.ReasonValid, "Event types, sources, filter and transform compile")
	return nil
}

// filterReason returns the reason for a part of the filter that does not compile; empty when another
// field is at fault.
func filterReason(e *compile.Error) string {
	costly := errors.Is(e, filter.ErrCostExceeded)
	switch {
	case strings.HasPrefix(e.Path, "spec.eventTypes"):
		return hookv1.ReasonInvalidEventType
	case strings.HasPrefix(e.Path, "spec.sources"):
		return hookv1.ReasonInvalidSource
	case e.Path == "spec.filter" && costly:
		return hookv1.ReasonFilterTooExpensive
	case e.Path == "spec.filter":
		return hookv1.ReasonInvalidFilter
	case e.Path == "spec.payload.transform" && costly:
		return hookv1.ReasonTransformTooExpensive
	case e.Path == "spec.payload.transform":
		return hookv1.ReasonInvalidTransform
	}
	return ""
}
