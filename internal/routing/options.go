// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/slim"
)

// Options configure a Router.
type Options struct {
	// Config says how the API server is reached. Required.
	Config *rest.Config
	// Namespace is Posthorn's own: credentials are read there and nowhere else. Required.
	Namespace string
	// Namespaces are those whose endpoints, subscriptions and event sources count; none means all.
	Namespaces []string
	// Defaults fill what specs leave out.
	Defaults compile.Defaults
	// Conditions are the types of the conditions that Reader shows; nil means all.
	Conditions []string
	// Log takes what happens; nil means slog.Default.
	Log *slog.Logger
	// OnUpdate is called with each state, the first time when everything there is has been read. Calls
	// do not overlap; while one runs, changes gather for the next. Required.
	OnUpdate func(Update)
}

// validate fills what may be left out and refuses what may not.
func (o *Options) validate() error {
	if o.Config == nil || o.Namespace == "" || o.OnUpdate == nil {
		return errors.New("configure routing: Config, Namespace and OnUpdate are required")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return nil
}

// newMapper knows the kinds that are watched. Asking the API server for them would keep a dispatcher
// from starting while it is away.
func newMapper() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	for _, kind := range []string{
		hookv1.KindWebhookEndpoint, hookv1.KindWebhookSubscription, hookv1.KindWebhookEventSource, hookv1.KindWebhookEventType,
	} {
		m.Add(hookv1.GroupVersion.WithKind(kind), meta.RESTScopeNamespace)
		// A cache of single namespaces also asks for the scope of lists.
		m.Add(hookv1.GroupVersion.WithKind(kind+"List"), meta.RESTScopeNamespace)
	}
	m.Add(corev1.SchemeGroupVersion.WithKind(kindSecret), meta.RESTScopeNamespace)
	return m
}

// transform returns what is done to an object before the informers keep it: of its status they keep the dispatcher's
// part, and of its conditions those of these types.
func transform(conditions []string) toolscache.TransformFunc {
	small := slim.Transform(slim.Options{Conditions: conditions})
	return func(obj any) (any, error) {
		switch o := obj.(type) {
		case *hookv1.WebhookEndpoint:
			o.Status.Host, o.Status.Subscriptions, o.Status.Signing, o.Status.Effective = "", nil, nil, nil
			o.Status.LastHandledRotate = ""
		case *hookv1.WebhookSubscription:
			o.Status.Endpoint, o.Status.Effective = "", nil
		case *hookv1.WebhookEventSource:
			o.Status.Effective = nil
		}
		return small(obj)
	}
}

// newCache returns the informers that the routing table is made from. A cache takes one selector per
// kind, so that the Secrets of other namespaces, types and purposes are never asked for.
func newCache(o Options) (cache.Cache, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{hookv1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("build scheme: %w", err)
		}
	}
	tenants := cache.ByObject{}
	if len(o.Namespaces) > 0 {
		tenants.Namespaces = map[string]cache.Config{}
		for _, ns := range o.Namespaces {
			tenants.Namespaces[ns] = cache.Config{}
		}
	}
	// Nothing here changes what it reads, so that reading need not copy.
	sharedReads := true
	c, err := cache.New(o.Config, cache.Options{
		Scheme: scheme,
		Mapper: newMapper(),
		ByObject: map[client.Object]cache.ByObject{
			&hookv1.WebhookEndpoint{}:     tenants,
			&hookv1.WebhookSubscription{}: tenants,
			&hookv1.WebhookEventSource{}:  tenants,
			&hookv1.WebhookEventType{}:    tenants,
			&corev1.Secret{}: {Namespaces: map[string]cache.Config{o.Namespace: {
				LabelSelector: labels.SelectorFromSet(labels.Set{hookv1.LabelUse: hookv1.LabelUseValue}),
				FieldSelector: fields.OneTermEqualSelector("type", hookv1.SecretTypeEndpointCredentials),
			}}},
		},
		DefaultTransform:             transform(o.Conditions),
		DefaultUnsafeDisableDeepCopy: &sharedReads,
		DefaultWatchErrorHandler: func(_ context.Context, _ *toolscache.Reflector, err error) {
			o.Log.Warn("Lost the watch of the API server, and goes on with what is known", "error", err)
		},
		ReaderFailOnMissingInformer: true,
	})
	if err != nil {
		return nil, fmt.Errorf("create informers: %w", err)
	}
	return c, nil
}
