// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	hookac "github.com/posthorn-dev/posthorn/internal/applyconfiguration/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
)

// WebhookEventSourceReconciler reconciles WebhookEventSources. What they watch, and whether they may,
// is the dispatcher's.
type WebhookEventSourceReconciler struct {
	*Base
}

// sourceRun is one reconcile of one event source.
type sourceRun struct {
	report
	obj *hookv1.WebhookEventSource
	// source is the compiled source; nil where the spec cannot be used.
	source *compile.EventSource
}

// Reconcile judges an event source and brings its status to what is the case. It owns nothing else, so
// that there is nothing to do about a deleted one.
func (r *WebhookEventSourceReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	obj := &hookv1.WebhookEventSource{}
	if err := r.Client.Get(ctx, req.NamespacedName, obj); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(fmt.Errorf("get webhook event source: %w", err))
	}
	if !obj.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	run := &sourceRun{obj: obj}
	return r.finish(ctx, run, r.reconcile(ctx, run))
}

// reconcile runs the steps. Each owns at most one condition.
func (r *WebhookEventSourceReconciler) reconcile(ctx context.Context, run *sourceRun) error {
	for _, step := range []func(context.Context, *sourceRun) error{
		r.compile,
		r.reconcileExpression,
		r.awaitDispatcher,
	} {
		if err := step(ctx, run); err != nil {
			return err
		}
	}
	return nil
}

// compile compiles the spec as the dispatcher will. It owns no condition.
func (r *WebhookEventSourceReconciler) compile(_ context.Context, run *sourceRun) error {
	var err error
	run.source, err = compile.Source(run.obj)
	if e, ok := errors.AsType[*compile.Error](err); ok {
		return run.judge("", stalledf(hookv1.ReasonInvalidSpec, "%s", e.Error()))
	}
	return err
}

// awaitDispatcher adds what the dispatcher reports. It owns no condition. A source whose watches are
// set up, and that cannot see everything just now, is in order all the same: Ready speaks of the manifest,
// not of the cluster's health.
func (r *WebhookEventSourceReconciler) awaitDispatcher(_ context.Context, run *sourceRun) error {
	v := r.dispatcherVerdict(run.obj, requiredOfSource(run.obj.Status.Conditions)...)
	if v == nil {
		return nil
	}
	return run.judge("", v)
}

// requiredOfSource returns the dispatcher's conditions that Ready needs, the one that names a cause before the one
// that follows from it: rights that nobody could be asked about are unknown for a cause that Watching names, such as a
// kind that is not served.
func requiredOfSource(conditions []metav1.Condition) []string {
	granted := meta.FindStatusCondition(conditions, hookv1.ConditionPermissionsGranted)
	switch {
	case seesLater(conditions):
		return []string{hookv1.ConditionPermissionsGranted}
	case granted != nil && granted.Status == metav1.ConditionUnknown:
		return []string{hookv1.ConditionWatching, hookv1.ConditionPermissionsGranted}
	default:
		return []string{hookv1.ConditionPermissionsGranted, hookv1.ConditionWatching}
	}
}

// seesLater reports whether Watching says that the source does not see the next change at once, but
// will without anybody's help.
func seesLater(conditions []metav1.Condition) bool {
	c := meta.FindStatusCondition(conditions, hookv1.ConditionWatching)
	return c != nil && slices.Contains([]string{
		hookv1.ReasonWatchStalled, hookv1.ReasonRelisting, hookv1.ReasonGapUnrecoverable, hookv1.ReasonSuspended,
	}, c.Reason)
}

func (run *sourceRun) object() conditioned { return run.obj }

func (run *sourceRun) findings() *report { return &run.report }

func (run *sourceRun) success() string {
	switch {
	case run.source == nil:
		return "" // the spec cannot be used, so that Ready is not True
	case run.source.Suspended:
		return "The source is suspended: set suspend to false to have it go on"
	}
	return fmt.Sprintf("Changes of %s become events", compile.EffectiveEventSource(run.source).Resources)
}

func (run *sourceRun) status(conditions []metav1.Condition) any {
	status := hookv1.WebhookEventSourceStatus{Conditions: conditions, ObservedGeneration: &run.obj.Generation}
	if run.source != nil {
		status.Effective = compile.EffectiveEventSource(run.source)
	}
	return status
}

func (run *sourceRun) applied() (any, error) {
	last, err := hookac.ExtractWebhookEventSourceStatus(run.obj, hookv1.FieldManagerOperator)
	if err != nil {
		return nil, err
	}
	return last.Status, nil
}

func (run *sourceRun) configuration(status []byte) (runtime.ApplyConfiguration, error) {
	apply := hookac.WebhookEventSourceStatus()
	if err := json.Unmarshal(status, apply); err != nil {
		return nil, err
	}
	return hookac.WebhookEventSource(run.obj.Name, run.obj.Namespace).
		WithResourceVersion(run.obj.ResourceVersion).WithStatus(apply), nil
}
