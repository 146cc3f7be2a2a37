// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// grant says which namespaces an endpoint admits.
type grant struct {
	own string
	// selector matches the labels of other namespaces; nil for none.
	selector labels.Selector
	all      bool
}

// grantOf reads the grant of an endpoint. An error is the spec's.
func grantOf(obj *hookv1.WebhookEndpoint) (grant, error) {
	g := grant{own: obj.Namespace}
	allow := obj.Spec.AllowSubscriptions
	if allow == nil {
		return g, nil
	}
	switch allow.From {
	case hookv1.FromNamespacesAll:
		g.all = true
	case hookv1.FromNamespacesSelector:
		var err error
		if g.selector, err = metav1.LabelSelectorAsSelector(allow.Selector); err != nil {
			return grant{own: obj.Namespace}, stalledf(hookv1.ReasonInvalidSpec,
				"spec.allowSubscriptions.selector: %v: correct it", err)
		}
	}
	return g, nil
}

// admits reports whether subscriptions of the namespace may send to the endpoint.
func (b *Base) admits(ctx context.Context, obj *hookv1.WebhookEndpoint, namespace string) (bool, error) {
	g, err := grantOf(obj)
	if err != nil || g.all || namespace == g.own {
		return err == nil || namespace == obj.Namespace, nil
	}
	if g.selector == nil {
		return false, nil
	}
	found := namespaceMetadata()
	err = b.Client.Get(ctx, client.ObjectKey{Name: namespace}, found)
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("get namespace %s: %w", namespace, err)
	}
	return g.selector.Matches(labels.Set(found.Labels)), nil
}

// reconcileGrants lists the namespaces that the endpoint admits, for the dispatcher: it routes by the
// list, so that a label taken off a namespace ends its deliveries. It owns no condition.
func (r *WebhookEndpointReconciler) reconcileGrants(ctx context.Context, run *endpointRun) error {
	g, err := grantOf(run.obj)
	if err != nil {
		return run.judge("", err)
	}
	run.credentials.AdmitsAll = g.all
	if g.selector == nil {
		return nil
	}
	found := &metav1.PartialObjectMetadataList{}
	found.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	if err := r.Client.List(ctx, found, client.MatchingLabelsSelector{Selector: g.selector}); err != nil {
		return fmt.Errorf("list namespaces: %w", err)
	}
	for i := range found.Items {
		if name := found.Items[i].Name; name != g.own {
			run.credentials.Admits = append(run.credentials.Admits, name)
		}
	}
	slices.Sort(run.credentials.Admits)
	return nil
}

// countSubscriptions counts the subscriptions that send here, dead letters included: what a deletion
// would stop. Those that are not admitted do not.
func (r *WebhookEndpointReconciler) countSubscriptions(ctx context.Context, run *endpointRun) error {
	var list hookv1.WebhookSubscriptionList
	key := run.obj.Namespace + "/" + run.obj.Name
	if err := r.Client.List(ctx, &list, client.MatchingFields{indexEndpoints: key}); err != nil {
		return fmt.Errorf("list webhook subscriptions of %s: %w", key, err)
	}
	admitted := map[string]bool{}
	for i := range list.Items {
		namespace := list.Items[i].Namespace
		ok, known := admitted[namespace]
		if !known {
			var err error
			if ok, err = r.admits(ctx, run.obj, namespace); err != nil {
				return err
			}
			admitted[namespace] = ok
		}
		if ok {
			run.subscriptions++
		}
	}
	return nil
}

// namespaceMetadata returns an empty Namespace to read labels into: the cache holds no more of it.
func namespaceMetadata() *metav1.PartialObjectMetadata {
	m := &metav1.PartialObjectMetadata{}
	m.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return m
}
