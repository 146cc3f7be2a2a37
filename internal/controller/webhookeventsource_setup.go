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
)

// setup has event sources reconciled when they or the schemas of the cluster's resources change.
func (r *WebhookEventSourceReconciler) setup(mgr ctrl.Manager, concurrent int) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("webhookeventsource").
		For(&hookv1.WebhookEventSource{}, builder.WithPredicates(updated(eventSourceChanged))).
		WatchesRawSource(source.Channel(r.Dispatcher.Listen(), handler.EnqueueRequestsFromMapFunc(r.all))).
		WatchesRawSource(source.Channel(r.Schemas.Listen(), handler.EnqueueRequestsFromMapFunc(r.all))).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrent}).
		Complete(r)
}

// all lists event sources from the cache, which does not fail once it runs.
func (r *WebhookEventSourceReconciler) all(ctx context.Context, _ client.Object) []reconcile.Request {
	var list hookv1.WebhookEventSourceList
	if err := r.Client.List(ctx, &list); err != nil {
		log.FromContext(ctx).Error(err, "Event sources to reconcile were not listed")
		return nil
	}
	return requests(list.Items)
}
