// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/slim"
)

// recorderName is the reporting controller of the operator's Kubernetes Events.
const recorderName = "posthorn-operator"

// Options are what the controllers need to know of the platform.
type Options struct {
	// Namespace is Posthorn's own.
	Namespace string
	// WatchNamespaces are the namespaces whose resources are looked at; none means all.
	WatchNamespaces []string
	// Defaults are the platform's values for what a spec leaves open.
	Defaults compile.Defaults
	// IngestNames are the DNS names of the certificate that the operator keeps for ingest; none means that
	// it keeps no certificate.
	IngestNames []string
	// MaxConcurrent is how many objects of one kind are reconciled at once; 0 means 4.
	MaxConcurrent int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Scope says what the manager's cache holds: of Secrets only those with the label, and of Services
// only what a serviceRef needs. What it holds does not grow with the cluster's other Secrets. Where only some
// namespaces are watched, Secrets are of those and of Posthorn's own. Of managed fields it holds the operator's alone.
func Scope(own string, watched []string) cache.Options {
	secrets := cache.ByObject{Label: labels.SelectorFromSet(labels.Set{hookv1.LabelUse: hookv1.LabelUseValue})}
	o := cache.Options{
		ByObject:         map[client.Object]cache.ByObject{&corev1.Service{}: {Transform: trimService}},
		DefaultTransform: slim.Transform(slim.Options{Manager: hookv1.FieldManagerOperator}),
	}
	if len(watched) > 0 {
		o.DefaultNamespaces, secrets.Namespaces = map[string]cache.Config{}, map[string]cache.Config{own: {}}
		for _, namespace := range watched {
			o.DefaultNamespaces[namespace], secrets.Namespaces[namespace] = cache.Config{}, cache.Config{}
		}
	}
	o.ByObject[&corev1.Secret{}] = secrets
	return o
}

// trimService keeps of a Service what serviceVerdict looks at.
func trimService(obj any) (any, error) {
	service, ok := obj.(*corev1.Service)
	if !ok {
		return obj, nil
	}
	trimmed := &corev1.Service{Spec: corev1.ServiceSpec{
		Type: service.Spec.Type, ClusterIP: service.Spec.ClusterIP, Ports: service.Spec.Ports, Selector: service.Spec.Selector,
	}}
	trimmed.Name, trimmed.Namespace, trimmed.UID = service.Name, service.Namespace, service.UID
	trimmed.ResourceVersion = service.ResourceVersion
	return trimmed, nil
}

// Setup adds everything of this package to a manager whose cache has the Scope.
func Setup(ctx context.Context, mgr ctrl.Manager, o Options) error {
	_, err := setup(ctx, mgr, o)
	return err
}

// setup also returns what the reconcilers share.
func setup(ctx context.Context, mgr ctrl.Manager, o Options) (*Base, error) {
	if o.MaxConcurrent == 0 {
		o.MaxConcurrent = 4
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	discovered, err := discovery.NewDiscoveryClientForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("make client of schemas: %w", err)
	}
	base := &Base{
		Client:     mgr.GetClient(),
		Live:       mgr.GetAPIReader(),
		Recorder:   mgr.GetEventRecorder(recorderName),
		Namespace:  o.Namespace,
		Watched:    o.WatchNamespaces,
		Defaults:   o.Defaults,
		Dispatcher: NewDispatcherWatch(mgr.GetAPIReader(), o.Namespace),
		Schemas:    NewSchemas(discovered.OpenAPIV3WithContext(ctx)),
		Now:        o.Now,
		Random:     rand.Reader,
	}
	if err := addIndexes(ctx, mgr.GetFieldIndexer()); err != nil {
		return nil, err
	}
	if len(o.IngestNames) > 0 {
		if err := mgr.Add(&IngestCertificate{Base: base, Names: o.IngestNames}); err != nil {
			return nil, fmt.Errorf("set up certificate of ingest: %w", err)
		}
	}
	err = errors.Join(
		(&WebhookEndpointReconciler{base}).setup(mgr, o.MaxConcurrent),
		(&WebhookSubscriptionReconciler{base}).setup(mgr, o.MaxConcurrent),
		(&WebhookEventSourceReconciler{base}).setup(mgr, o.MaxConcurrent),
		mgr.Add(base.Schemas),
		(&WebhookEventTypeReconciler{base}).setup(mgr, o.MaxConcurrent),
		mgr.Add(base.Dispatcher),
		mgr.Add(&Sweeper{base}),
	)
	if err != nil {
		return nil, fmt.Errorf("set up controllers: %w", err)
	}
	return base, nil
}

// request asks for one object.
func request(namespace, name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}
}

// requests asks for all objects of a list.
func requests[T any, P interface {
	*T
	client.Object
}](items []T) []reconcile.Request {
	out := make([]reconcile.Request, 0, len(items))
	for i := range items {
		o := P(&items[i])
		out = append(out, request(o.GetNamespace(), o.GetName()))
	}
	return out
}
