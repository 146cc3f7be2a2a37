// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// reconcileEndpoint owns EndpointResolved: the endpoint, and the dead-letter endpoint where there is
// one, exist and admit the subscription's namespace.
func (r *WebhookSubscriptionReconciler) reconcileEndpoint(ctx context.Context, run *subscriptionRun) error {
	endpoint, err := r.resolveEndpoint(ctx, run.obj, run.obj.Spec.EndpointRef, hookv1.ReasonEndpointNotFound)
	if err != nil {
		return run.judge(hookv1.ConditionEndpointResolved, err)
	}
	run.endpoint = endpoint
	message := fmt.Sprintf("WebhookEndpoint %s takes events of this namespace", run.endpointName())
	if dl := run.obj.Spec.DeadLetter; dl != nil {
		if _, err := r.resolveEndpoint(ctx, run.obj, dl.EndpointRef, hookv1.ReasonDeadLetterEndpointNotFound); err != nil {
			return run.judge(hookv1.ConditionEndpointResolved, err)
		}
		message += fmt.Sprintf(", and WebhookEndpoint %s/%s its dead letters",
			dl.EndpointRef.NamespaceOr(run.obj.Namespace), dl.EndpointRef.Name)
	}
	run.met(hookv1.ConditionEndpointResolved, hookv1.ReasonResolved, message)
	return nil
}

// resolveEndpoint returns the endpoint that a reference names. Across namespaces there is one verdict
// on an endpoint that is not there and on one that does not admit: which names exist elsewhere is
// nobody's business.
func (b *Base) resolveEndpoint(ctx context.Context, obj *hookv1.WebhookSubscription, ref hookv1.EndpointRef, notFound string) (*hookv1.WebhookEndpoint, error) {
	key := types.NamespacedName{Namespace: ref.NamespaceOr(obj.Namespace), Name: string(ref.Name)}
	endpoint := &hookv1.WebhookEndpoint{}
	err := b.Client.Get(ctx, key, endpoint)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("get webhook endpoint %s: %w", key, err)
	}
	found := err == nil && endpoint.DeletionTimestamp.IsZero()
	if key.Namespace == obj.Namespace {
		if !found {
			return nil, waitingf(notFound, "WebhookEndpoint %s does not exist: create it, or correct the reference", key)
		}
		return endpoint, nil
	}
	if found {
		if found, err = b.admits(ctx, endpoint, obj.Namespace); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, waitingf(hookv1.ReasonRefNotPermitted,
			"WebhookEndpoint %s does not exist or does not admit namespace %s: its allowSubscriptions must admit it", key, obj.Namespace)
	}
	return endpoint, nil
}

// awaitEndpoint adds what keeps the endpoint from being Ready: an event that nobody can send is not
// delivered. It owns no condition.
func (r *WebhookSubscriptionReconciler) awaitEndpoint(_ context.Context, run *subscriptionRun) error {
	if run.endpoint == nil {
		return nil
	}
	ready := meta.FindStatusCondition(run.endpoint.Status.Conditions, hookv1.ConditionReady)
	switch {
	case ready == nil, ready.ObservedGeneration != run.endpoint.Generation, ready.Status == metav1.ConditionUnknown:
		return run.judge("", pendingf(hookv1.ReasonProgressing,
			"WebhookEndpoint %s is not ready yet: see its conditions", run.endpointName()))
	case ready.Status != metav1.ConditionTrue:
		return run.judge("", waitingf(hookv1.ReasonEndpointNotReady,
			"WebhookEndpoint %s is not ready: see its conditions", run.endpointName()))
	}
	return nil
}
