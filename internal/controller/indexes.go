// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
)

// Indexes of the cache, so that a change of one object finds those that it concerns.
const (
	// indexSecrets finds endpoints by the names of Secrets of their namespace.
	indexSecrets = "referred.secrets"
	// indexServices finds endpoints by the name of a Service of their namespace.
	indexServices = "referred.services"
	// indexGrants finds endpoints by allowSubscriptions.from.
	indexGrants = "grants"
	// indexEndpoints finds subscriptions by namespace/name of the endpoints that they send to.
	indexEndpoints = "referred.endpoints"
	// indexNamedTypes finds subscriptions by a type of events that they name as a whole.
	indexNamedTypes = "named.types"
	// indexTypes finds the objects that describe a type of events.
	indexTypes = "described.types"
)

// addIndexes registers the indexes. It must run before the caches start.
func addIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	endpoint, subscription, eventType := &hookv1.WebhookEndpoint{}, &hookv1.WebhookSubscription{}, &hookv1.WebhookEventType{}
	for _, index := range []struct {
		obj    client.Object
		field  string
		values client.IndexerFunc
	}{
		{endpoint, indexSecrets, func(o client.Object) []string { return secretNames(o.(*hookv1.WebhookEndpoint)) }},
		{endpoint, indexServices, func(o client.Object) []string { return serviceNames(o.(*hookv1.WebhookEndpoint)) }},
		{endpoint, indexGrants, func(o client.Object) []string { return grantKinds(o.(*hookv1.WebhookEndpoint)) }},
		{subscription, indexEndpoints, func(o client.Object) []string { return endpointNames(o.(*hookv1.WebhookSubscription)) }},
		{subscription, indexNamedTypes, func(o client.Object) []string {
			names, _ := compile.ExactTypes(o.(*hookv1.WebhookSubscription))
			return names
		}},
		{eventType, indexTypes, func(o client.Object) []string { return []string{string(o.(*hookv1.WebhookEventType).Spec.Type)} }},
	} {
		if err := indexer.IndexField(ctx, index.obj, index.field, index.values); err != nil {
			return fmt.Errorf("index %s: %w", index.field, err)
		}
	}
	return nil
}

// secretNames lists the Secrets of the endpoint's namespace that concern it.
func secretNames(obj *hookv1.WebhookEndpoint) []string {
	spec := &obj.Spec
	names := []string{obj.Name + hookv1.SigningSecretSuffix}
	add := func(name hookv1.ObjectName) { names = append(names, string(name)) }
	if spec.Signing != nil && spec.Signing.SecretRef != nil {
		add(spec.Signing.SecretRef.Name)
	}
	if spec.URLFrom != nil {
		add(spec.URLFrom.SecretKeyRef.Name)
	}
	for _, h := range spec.Headers {
		if h.ValueFrom != nil {
			add(h.ValueFrom.SecretKeyRef.Name)
		}
	}
	if a := spec.Authentication; a != nil {
		switch {
		case a.Basic != nil:
			add(a.Basic.SecretRef.Name)
		case a.Bearer != nil:
			add(a.Bearer.SecretRef.Name)
		case a.OAuth2ClientCredentials != nil:
			add(a.OAuth2ClientCredentials.ClientSecretRef.Name)
		}
	}
	if t := spec.TLS; t != nil {
		if t.CARef != nil && t.CARef.Kind == hookv1.CARefKindSecret {
			add(t.CARef.Name)
		}
		if t.ClientCertificateRef != nil {
			add(t.ClientCertificateRef.Name)
		}
	}
	return names
}

func serviceNames(obj *hookv1.WebhookEndpoint) []string {
	if obj.Spec.ServiceRef == nil {
		return nil
	}
	return []string{string(obj.Spec.ServiceRef.Name)}
}

func grantKinds(obj *hookv1.WebhookEndpoint) []string {
	if obj.Spec.AllowSubscriptions == nil {
		return nil
	}
	return []string{string(obj.Spec.AllowSubscriptions.From)}
}

// endpointNames lists the endpoints that a subscription sends to, as namespace/name.
func endpointNames(obj *hookv1.WebhookSubscription) []string {
	full := func(ref hookv1.EndpointRef) string { return ref.NamespaceOr(obj.Namespace) + "/" + string(ref.Name) }
	names := []string{full(obj.Spec.EndpointRef)}
	if obj.Spec.DeadLetter != nil {
		names = append(names, full(obj.Spec.DeadLetter.EndpointRef))
	}
	return names
}
