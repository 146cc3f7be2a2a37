// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// gather is how long changes gather before a table is made of them: short beside what anybody waits
// for, and long enough that the objects of one kubectl apply make one table.
const gather = 20 * time.Millisecond

// Router watches the API server and makes routing tables of what it sees.
type Router struct {
	opts    Options
	cache   cache.Cache
	changes *changes
	store   *store
	// owners says which endpoint a credentials Secret belongs to, by the Secret's name.
	owners map[string]delivery.Name
}

// New returns a Router that does nothing before Run. It does not speak to the API server.
func New(o Options) (*Router, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	c, err := newCache(o)
	if err != nil {
		return nil, err
	}
	return &Router{
		opts:    o,
		cache:   c,
		changes: newChanges(),
		store:   newStore(o.Defaults),
		owners:  map[string]delivery.Name{},
	}, nil
}

// Run is New and Router.Run in one.
func Run(ctx context.Context, o Options) error {
	r, err := New(o)
	if err != nil {
		return err
	}
	return r.Run(ctx)
}

// Reader reads Posthorn's resources from the informers' memory, as they were seen last, without what the
// operator says in their status. What it returns is shared and must not be changed. It can be used once
// OnUpdate was called.
func (r *Router) Reader() client.Reader { return r.cache }

// Run watches until ctx ends, and then returns nil. Nothing is handed out before everything has been
// read once. An API server that is away, from the start too, is waited for; meanwhile the last table
// stays.
func (r *Router) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := r.cache.Start(ctx); err != nil {
			return fmt.Errorf("run informers: %w", err)
		}
		return nil
	})
	g.Go(func() error { return r.follow(ctx) })
	return g.Wait()
}

// follow hands out the first table and then one for each change.
func (r *Router) follow(ctx context.Context) error {
	if err := r.subscribe(ctx); err != nil {
		return ended(ctx, err)
	}
	if !r.cache.WaitForCacheSync(ctx) {
		return nil
	}
	if err := r.markAll(ctx); err != nil {
		return ended(ctx, err)
	}
	for first := true; ; first = false {
		if !r.changes.wait(ctx, gather) {
			return nil
		}
		changed, err := r.apply(ctx)
		if err != nil {
			return ended(ctx, err)
		}
		if changed || first {
			r.opts.OnUpdate(r.store.update())
		}
	}
}

// ended returns nil when the error is only that the context ended.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// subscribe has the informers tell of every change.
func (r *Router) subscribe(ctx context.Context) error {
	for kind, object := range map[string]client.Object{
		hookv1.KindWebhookEndpoint:     &hookv1.WebhookEndpoint{},
		hookv1.KindWebhookSubscription: &hookv1.WebhookSubscription{},
		hookv1.KindWebhookEventSource:  &hookv1.WebhookEventSource{},
		hookv1.KindWebhookEventType:    &hookv1.WebhookEventType{},
		kindSecret:                     &corev1.Secret{},
	} {
		informer, err := r.cache.GetInformer(ctx, object, cache.BlockUntilSynced(false))
		if err != nil {
			return fmt.Errorf("watch %s: %w", kind, err)
		}
		mark := func(object any) { r.changes.markObject(kind, object) }
		if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc:    mark,
			UpdateFunc: func(_, object any) { mark(object) },
			DeleteFunc: mark,
		}); err != nil {
			return fmt.Errorf("watch %s: %w", kind, err)
		}
	}
	return nil
}

// markAll makes the first table one of everything, whatever the handlers have been told so far.
func (r *Router) markAll(ctx context.Context) error {
	var endpoints hookv1.WebhookEndpointList
	if err := r.cache.List(ctx, &endpoints); err != nil {
		return fmt.Errorf("list endpoints: %w", err)
	}
	for i := range endpoints.Items {
		r.changes.markObject(hookv1.KindWebhookEndpoint, &endpoints.Items[i])
	}
	var subscriptions hookv1.WebhookSubscriptionList
	if err := r.cache.List(ctx, &subscriptions); err != nil {
		return fmt.Errorf("list subscriptions: %w", err)
	}
	for i := range subscriptions.Items {
		r.changes.markObject(hookv1.KindWebhookSubscription, &subscriptions.Items[i])
	}
	var sources hookv1.WebhookEventSourceList
	if err := r.cache.List(ctx, &sources); err != nil {
		return fmt.Errorf("list event sources: %w", err)
	}
	for i := range sources.Items {
		r.changes.markObject(hookv1.KindWebhookEventSource, &sources.Items[i])
	}
	var types hookv1.WebhookEventTypeList
	if err := r.cache.List(ctx, &types); err != nil {
		return fmt.Errorf("list event types: %w", err)
	}
	for i := range types.Items {
		r.changes.markObject(hookv1.KindWebhookEventType, &types.Items[i])
	}
	r.changes.touch()
	return nil
}

// apply takes in all objects that changed, and reports whether the routing did.
func (r *Router) apply(ctx context.Context) (bool, error) {
	endpoints := map[delivery.Name]bool{}
	changed := false
	for c := range r.changes.take() {
		switch c.kind {
		case hookv1.KindWebhookEndpoint:
			endpoints[c.name] = true
		case kindSecret:
			if owner, ok := r.owners[c.name.Name]; ok {
				endpoints[owner] = true
			}
		default:
			took, err := r.applyOther(ctx, c)
			if err != nil {
				return false, err
			}
			changed = changed || took
		}
	}
	for name := range endpoints {
		took, err := r.applyEndpoint(ctx, name)
		if err != nil {
			return false, err
		}
		changed = changed || took
	}
	return changed, nil
}

// applyOther takes in an object that stands for itself.
func (r *Router) applyOther(ctx context.Context, c change) (bool, error) {
	switch c.kind {
	case hookv1.KindWebhookSubscription:
		return r.applySubscription(ctx, c.name)
	case hookv1.KindWebhookEventSource:
		return r.applySource(ctx, c.name)
	case hookv1.KindWebhookEventType:
		return r.applyEventType(ctx, c.name)
	default:
		return false, nil
	}
}

// applySubscription takes in one subscription. One that is being deleted is gone.
func (r *Router) applySubscription(ctx context.Context, name delivery.Name) (bool, error) {
	var obj hookv1.WebhookSubscription
	switch err := r.cache.Get(ctx, client.ObjectKey(name), &obj); {
	case apierrors.IsNotFound(err) || err == nil && !obj.DeletionTimestamp.IsZero():
		return r.store.dropSubscription(name), nil
	case err != nil:
		return false, fmt.Errorf("read subscription %s: %w", name, err)
	}
	return r.store.setSubscription(&obj), nil
}

// applySource takes in one event source. One that is being deleted is gone.
func (r *Router) applySource(ctx context.Context, name delivery.Name) (bool, error) {
	var obj hookv1.WebhookEventSource
	switch err := r.cache.Get(ctx, client.ObjectKey(name), &obj); {
	case apierrors.IsNotFound(err) || err == nil && !obj.DeletionTimestamp.IsZero():
		return r.store.dropSource(name), nil
	case err != nil:
		return false, fmt.Errorf("read event source %s: %w", name, err)
	}
	return r.store.setSource(&obj), nil
}

// applyEndpoint takes in one endpoint with its credentials. One that is being deleted is gone.
func (r *Router) applyEndpoint(ctx context.Context, name delivery.Name) (bool, error) {
	secretName := compile.CredentialsName(name.Namespace, name.Name)
	var obj hookv1.WebhookEndpoint
	switch err := r.cache.Get(ctx, client.ObjectKey(name), &obj); {
	case apierrors.IsNotFound(err) || err == nil && !obj.DeletionTimestamp.IsZero():
		delete(r.owners, secretName)
		return r.store.dropEndpoint(name), nil
	case err != nil:
		return false, fmt.Errorf("read endpoint %s: %w", name, err)
	}
	r.owners[secretName] = name
	var secret corev1.Secret
	err := r.cache.Get(ctx, client.ObjectKey{Namespace: r.opts.Namespace, Name: secretName}, &secret)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("read credentials of %s: %w", name, err)
	}
	return r.store.setEndpoint(&obj, secret.Data[compile.CredentialsKey]), nil
}
