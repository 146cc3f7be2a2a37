// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// setup has subscriptions reconciled when they, their endpoints or the labels of their namespace
// change.
func (r *WebhookSubscriptionReconciler) setup(mgr ctrl.Manager, concurrent int) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("webhooksubscription").
		For(&hookv1.WebhookSubscription{}, builder.WithPredicates(updated(subscriptionChanged))).
		Watches(&hookv1.WebhookEndpoint{}, handler.EnqueueRequestsFromMapFunc(r.ofEndpoint),
			builder.WithPredicates(updated(referredEndpointChanged))).
		Watches(&hookv1.WebhookEventType{}, handler.EnqueueRequestsFromMapFunc(r.ofEventType),
			builder.WithPredicates(updated(generationChanged))).
		WatchesMetadata(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.ofNamespace),
			builder.WithPredicates(updated(labelsChanged))).
		WatchesRawSource(source.Channel(r.Dispatcher.Listen(), handler.EnqueueRequestsFromMapFunc(r.all))).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrent}).
		Complete(r)
}

func (r *WebhookSubscriptionReconciler) ofEndpoint(ctx context.Context, obj client.Object) []reconcile.Request {
	return r.find(ctx, client.MatchingFields{indexEndpoints: obj.GetNamespace() + "/" + obj.GetName()})
}

// ofNamespace finds the subscriptions of a namespace: its labels may admit it elsewhere now, or no
// more.
func (r *WebhookSubscriptionReconciler) ofNamespace(ctx context.Context, obj client.Object) []reconcile.Request {
	return r.find(ctx, client.InNamespace(obj.GetName()))
}

// ofEventType finds the subscriptions that name a type, whose expressions are checked by its schema.
func (r *WebhookSubscriptionReconciler) ofEventType(ctx context.Context, obj client.Object) []reconcile.Request {
	return r.find(ctx, client.InNamespace(obj.GetNamespace()),
		client.MatchingFields{indexNamedTypes: string(obj.(*hookv1.WebhookEventType).Spec.Type)})
}

func (r *WebhookSubscriptionReconciler) all(ctx context.Context, _ client.Object) []reconcile.Request {
	return r.find(ctx)
}

// find lists subscriptions from the cache, which does not fail once it runs.
func (r *WebhookSubscriptionReconciler) find(ctx context.Context, options ...client.ListOption) []reconcile.Request {
	var list hookv1.WebhookSubscriptionList
	if err := r.Client.List(ctx, &list, options...); err != nil {
		log.FromContext(ctx).Error(err, "Subscriptions to reconcile were not listed")
		return nil
	}
	return requests(list.Items)
}
