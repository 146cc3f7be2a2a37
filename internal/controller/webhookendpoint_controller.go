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

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	hookac "github.com/posthorn-dev/posthorn/internal/applyconfiguration/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
)

// WebhookEndpointReconciler reconciles WebhookEndpoints.
type WebhookEndpointReconciler struct {
	*Base
}

// endpointRun is one reconcile of one endpoint: what the steps hand on to each other.
type endpointRun struct {
	report
	obj *hookv1.WebhookEndpoint
	// stored are the credentials that the dispatcher has now; nil when it has none.
	stored *compile.Credentials
	// credentials are those of this generation, filled by the steps.
	credentials *compile.Credentials
	// The rest is for the status.
	host          string
	subscriptions int32
	signing       *hookv1.SigningStatus
	handledRotate string
	effective     *hookv1.EffectiveEndpoint
}

// Reconcile brings the cluster to what an endpoint asks for, and its status to what is the case.
func (r *WebhookEndpointReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	obj := &hookv1.WebhookEndpoint{}
	err := r.Client.Get(ctx, req.NamespacedName, obj)
	switch {
	case apierrors.IsNotFound(err), err == nil && !obj.DeletionTimestamp.IsZero():
		// A deletion stops sending at once, even while somebody's finalizer holds the object.
		return retry(r.forgetCredentials(ctx, req.Namespace, req.Name))
	case err != nil:
		return ctrl.Result{}, fmt.Errorf("get webhook endpoint: %w", err)
	}
	run := &endpointRun{obj: obj, credentials: newCredentials(obj), handledRotate: obj.Status.LastHandledRotate}
	return r.finish(ctx, run, r.reconcile(ctx, run))
}

// reconcile runs the steps. Each owns at most one condition, and a verdict of one does not keep the
// others from reporting theirs.
func (r *WebhookEndpointReconciler) reconcile(ctx context.Context, run *endpointRun) error {
	for _, step := range []func(context.Context, *endpointRun) error{
		r.loadCredentials,
		r.reconcileSigningKey,
		r.reconcileService,
		r.reconcileReferences,
		r.reconcileGrants,
		r.reconcileSpec,
		r.reconcileCredentials,
		r.countSubscriptions,
		r.awaitDispatcher,
	} {
		if err := step(ctx, run); err != nil {
			return err
		}
	}
	return nil
}

// awaitDispatcher adds what the dispatcher reports. It owns no condition.
func (r *WebhookEndpointReconciler) awaitDispatcher(_ context.Context, run *endpointRun) error {
	v := r.dispatcherVerdict(run.obj, hookv1.ConditionRouted, hookv1.ConditionDestinationAllowed)
	if v == nil {
		return nil
	}
	return run.judge("", v)
}

func (run *endpointRun) object() conditioned { return run.obj }

func (run *endpointRun) findings() *report { return &run.report }

func (run *endpointRun) success() string {
	return fmt.Sprintf("Webhooks are sent to %s", run.host)
}

func (run *endpointRun) status(conditions []metav1.Condition) any {
	return hookv1.WebhookEndpointStatus{
		Conditions:         conditions,
		ObservedGeneration: &run.obj.Generation,
		Host:               run.host,
		Subscriptions:      &run.subscriptions,
		Signing:            run.signing,
		LastHandledRotate:  run.handledRotate,
		Effective:          run.effective,
	}
}

func (run *endpointRun) applied() (any, error) {
	last, err := hookac.ExtractWebhookEndpointStatus(run.obj, hookv1.FieldManagerOperator)
	if err != nil {
		return nil, err
	}
	return last.Status, nil
}

func (run *endpointRun) configuration(status []byte) (runtime.ApplyConfiguration, error) {
	apply := hookac.WebhookEndpointStatus()
	if err := json.Unmarshal(status, apply); err != nil {
		return nil, err
	}
	return hookac.WebhookEndpoint(run.obj.Name, run.obj.Namespace).
		WithResourceVersion(run.obj.ResourceVersion).WithStatus(apply), nil
}
