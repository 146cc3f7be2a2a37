// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	hookac "github.com/posthorn-dev/posthorn/internal/applyconfiguration/api/v1alpha1"
)

// WebhookSubscriptionReconciler reconciles WebhookSubscriptions.
type WebhookSubscriptionReconciler struct {
	*Base
}

// subscriptionRun is one reconcile of one subscription.
type subscriptionRun struct {
	report
	obj *hookv1.WebhookSubscription
	// endpoint is the endpoint that events go to; nil unless it is there and admits them.
	endpoint  *hookv1.WebhookEndpoint
	effective *hookv1.EffectiveSubscription
}

// Reconcile judges a subscription and brings its status to what is the case. It owns nothing else, so
// that there is nothing to do about a deleted one.
func (r *WebhookSubscriptionReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	obj := &hookv1.WebhookSubscription{}
	if err := r.Client.Get(ctx, req.NamespacedName, obj); err != nil {
		if apierrors.IsNotFound(err) {
			r.memos.reads.forget(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(fmt.Errorf("get webhook subscription: %w", err))
	}
	if !obj.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	run := &subscriptionRun{obj: obj}
	return r.finish(ctx, run, r.reconcile(ctx, run))
}

// reconcile runs the steps. Each owns at most one condition.
func (r *WebhookSubscriptionReconciler) reconcile(ctx context.Context, run *subscriptionRun) error {
	for _, step := range []func(context.Context, *subscriptionRun) error{
		r.reconcileFilter,
		r.reconcileEndpoint,
		r.awaitDispatcher,
		r.awaitEndpoint,
	} {
		if err := step(ctx, run); err != nil {
			return err
		}
	}
	return nil
}

// awaitDispatcher adds what the dispatcher reports. It owns no condition.
func (r *WebhookSubscriptionReconciler) awaitDispatcher(_ context.Context, run *subscriptionRun) error {
	v := r.dispatcherVerdict(run.obj, hookv1.ConditionRouted)
	if v == nil {
		return nil
	}
	return run.judge("", v)
}

func (run *subscriptionRun) object() conditioned { return run.obj }

func (run *subscriptionRun) findings() *report { return &run.report }

func (run *subscriptionRun) success() string {
	return fmt.Sprintf("Matching events are sent to WebhookEndpoint %s", run.endpointName())
}

// endpointName returns the endpoint that the spec names, as namespace/name.
func (run *subscriptionRun) endpointName() string {
	ref := run.obj.Spec.EndpointRef
	return ref.NamespaceOr(run.obj.Namespace) + "/" + string(ref.Name)
}

func (run *subscriptionRun) status(conditions []metav1.Condition) any {
	return hookv1.WebhookSubscriptionStatus{
		Conditions:         conditions,
		ObservedGeneration: &run.obj.Generation,
		Endpoint:           run.endpointName(),
		Effective:          run.effective,
	}
}

func (run *subscriptionRun) applied() (any, error) {
	last, err := hookac.ExtractWebhookSubscriptionStatus(run.obj, hookv1.FieldManagerOperator)
	if err != nil {
		return nil, err
	}
	return last.Status, nil
}

func (run *subscriptionRun) configuration(status []byte) (runtime.ApplyConfiguration, error) {
	apply := hookac.WebhookSubscriptionStatus()
	if err := json.Unmarshal(status, apply); err != nil {
		return nil, err
	}
	return hookac.WebhookSubscription(run.obj.Name, run.obj.Namespace).
		WithResourceVersion(run.obj.ResourceVersion).WithStatus(apply), nil
}
