// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
)

// setup has types reconciled when they change, when another of the same type does, and when a
// subscription does that takes them.
func (r *WebhookEventTypeReconciler) setup(mgr ctrl.Manager, concurrent int) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("webhookeventtype").
		For(&hookv1.WebhookEventType{}, builder.WithPredicates(updated(eventTypeChanged))).
		Watches(&hookv1.WebhookEventType{}, handler.EnqueueRequestsFromMapFunc(r.ofSameType),
			builder.WithPredicates(updated(specChanged))).
		Watches(&hookv1.WebhookSubscription{}, handler.EnqueueRequestsFromMapFunc(r.ofSubscription),
			builder.WithPredicates(updated(generationChanged))).
		WatchesRawSource(source.Channel(r.Dispatcher.Listen(), handler.EnqueueRequestsFromMapFunc(r.all))).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrent}).
		Complete(r)
}

// ofSameType finds the objects that describe the same type: which of them counts may be another now.
func (r *WebhookEventTypeReconciler) ofSameType(ctx context.Context, obj client.Object) []reconcile.Request {
	return requests(r.find(ctx, client.InNamespace(obj.GetNamespace()),
		client.MatchingFields{indexTypes: string(obj.(*hookv1.WebhookEventType).Spec.Type)}))
}

// ofSubscription finds the types that a subscription takes, and those that it names beside them: what
// is missing in all of them is told by each. An update asks for those of before and of now.
func (r *WebhookEventTypeReconciler) ofSubscription(ctx context.Context, obj client.Object) []reconcile.Request {
	var out []reconcile.Request
	types := r.find(ctx, client.InNamespace(obj.GetNamespace()))
	for i := range types {
		if compile.TakesType(obj.(*hookv1.WebhookSubscription), string(types[i].Spec.Type)) {
			out = append(out, request(types[i].Namespace, types[i].Name))
		}
	}
	return out
}

func (r *WebhookEventTypeReconciler) all(ctx context.Context, _ client.Object) []reconcile.Request {
	return requests(r.find(ctx))
}

// find lists types from the cache, which does not fail once it runs.
func (r *WebhookEventTypeReconciler) find(ctx context.Context, options ...client.ListOption) []hookv1.WebhookEventType {
	var list hookv1.WebhookEventTypeList
	if err := r.Client.List(ctx, &list, options...); err != nil {
		log.FromContext(ctx).Error(err, "Event types to reconcile were not listed")
		return nil
	}
	return list.Items
}
