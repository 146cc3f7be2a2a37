// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"strings"

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

// setup has endpoints reconciled when they, or anything that they refer to, change.
func (r *WebhookEndpointReconciler) setup(mgr ctrl.Manager, concurrent int) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("webhookendpoint").
		For(&hookv1.WebhookEndpoint{}, builder.WithPredicates(updated(endpointChanged))).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.ofSecret)).
		Watches(&corev1.Service{}, handler.EnqueueRequestsFromMapFunc(r.ofService)).
		WatchesMetadata(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.ofNamespace),
			builder.WithPredicates(updated(labelsChanged))).
		Watches(&hookv1.WebhookSubscription{}, handler.EnqueueRequestsFromMapFunc(r.ofSubscription),
			builder.WithPredicates(updated(generationChanged))).
		WatchesRawSource(source.Channel(r.Dispatcher.Listen(), handler.EnqueueRequestsFromMapFunc(r.all))).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrent}).
		Complete(r)
}

// ofSecret finds the endpoints that a Secret concerns: the one whose credentials it holds, or those
// of its namespace that refer to it.
func (r *WebhookEndpointReconciler) ofSecret(ctx context.Context, obj client.Object) []reconcile.Request {
	secret, _ := obj.(*corev1.Secret)
	if secret != nil && secret.Type == hookv1.SecretTypeEndpointCredentials && secret.Namespace == r.Namespace {
		namespace, name, ok := strings.Cut(secret.Annotations[hookv1.AnnotationEndpoint], "/")
		if !ok {
			return nil
		}
		return []reconcile.Request{request(namespace, name)}
	}
	return r.find(ctx, client.InNamespace(obj.GetNamespace()), client.MatchingFields{indexSecrets: obj.GetName()})
}

func (r *WebhookEndpointReconciler) ofService(ctx context.Context, obj client.Object) []reconcile.Request {
	return r.find(ctx, client.InNamespace(obj.GetNamespace()), client.MatchingFields{indexServices: obj.GetName()})
}

// ofNamespace finds the endpoints whose selector may match the namespace now, or no more.
func (r *WebhookEndpointReconciler) ofNamespace(ctx context.Context, _ client.Object) []reconcile.Request {
	return r.find(ctx, client.MatchingFields{indexGrants: string(hookv1.FromNamespacesSelector)})
}

// ofSubscription finds the endpoints that a subscription sends to, which count it. An update asks for
// those of before and of now.
func (r *WebhookEndpointReconciler) ofSubscription(_ context.Context, obj client.Object) []reconcile.Request {
	var out []reconcile.Request
	for _, full := range endpointNames(obj.(*hookv1.WebhookSubscription)) {
		namespace, name, _ := strings.Cut(full, "/")
		out = append(out, request(namespace, name))
	}
	return out
}

func (r *WebhookEndpointReconciler) all(ctx context.Context, _ client.Object) []reconcile.Request {
	return r.find(ctx)
}

// find lists endpoints from the cache, which does not fail once it runs.
func (r *WebhookEndpointReconciler) find(ctx context.Context, options ...client.ListOption) []reconcile.Request {
	var list hookv1.WebhookEndpointList
	if err := r.Client.List(ctx, &list, options...); err != nil {
		log.FromContext(ctx).Error(err, "Endpoints to reconcile were not listed")
		return nil
	}
	return requests(list.Items)
}
