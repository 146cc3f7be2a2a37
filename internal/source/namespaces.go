// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"
)

// namespaceTimeout bounds one question about a namespace.
const namespaceTimeout = 10 * time.Second

var namespaceResource = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}

// namespaces knows the labels of the namespaces, once a source chooses by them.
type namespaces struct {
	client  metadata.Interface
	logger  *slog.Logger
	changed func()

	// started and synced belong to the goroutine that calls need and ready.
	started bool
	synced  cache.InformerSynced

	mu    sync.Mutex
	known map[string]labels.Set
	// running ends with the watch of the namespaces.
	running context.Context //nolint:containedctx // of what need began
}

func newNamespaces(c metadata.Interface, logger *slog.Logger, changed func()) *namespaces {
	return &namespaces{client: c, logger: logger, changed: changed, known: map[string]labels.Set{}}
}

// labels returns the labels of a namespace; none of one that is not there. An object may be seen before the watch of the
// namespaces shows its own: then the API server is asked, until it answers or the watch shows it.
func (n *namespaces) labels(namespace string) labels.Labels {
	l, running, ok := n.shown(namespace)
	if ok || running == nil || namespace == "" {
		return l
	}
	l, err := backoff.Retry(running, func() (labels.Set, error) {
		if l, _, ok := n.shown(namespace); ok {
			return l, nil
		}
		return n.read(running, namespace)
	}, backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, next time.Duration) {
		n.logger.Warn("Could not read the labels of a namespace", "namespace", namespace, "error", err, "nextAttemptIn", next)
	}))
	if err != nil {
		return noLabels // everything ends
	}
	return l
}

// shown returns the labels of a namespace that is known, and the context of the watch.
func (n *namespaces) shown(namespace string) (labels.Set, context.Context, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l, ok := n.known[namespace]
	return l, n.running, ok
}

// read asks the API server for the labels of a namespace, by a list: that is what the dispatcher may do.
func (n *namespaces) read(ctx context.Context, namespace string) (labels.Set, error) {
	ctx, cancel := context.WithTimeout(ctx, namespaceTimeout)
	defer cancel()
	list, err := n.client.Resource(namespaceResource).List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("metadata.name", namespace).String(),
	})
	switch {
	case err != nil:
		return nil, err
	case len(list.Items) == 0:
		return noLabels, nil
	}
	return n.learn(namespace, list.Items[0].Labels), nil
}

// learn takes in the labels of a namespace that was not known, and returns those that are known then.
func (n *namespaces) learn(name string, l labels.Set) labels.Set {
	n.mu.Lock()
	defer n.mu.Unlock()
	if newer, ok := n.known[name]; ok {
		return newer
	}
	n.known[name] = l
	return l
}

// ready reports whether the labels of all namespaces are known.
func (n *namespaces) ready() bool { return n.synced != nil && n.synced() }

// need begins to watch the namespaces the first time that it is needed, and tells when they are known.
func (n *namespaces) need(ctx context.Context, group *sync.WaitGroup, needed bool) {
	if !needed || n.started {
		return
	}
	n.started = true
	n.mu.Lock()
	n.running = ctx
	n.mu.Unlock()
	informer := metadatainformer.NewFilteredMetadataInformer(n.client, namespaceResource, metav1.NamespaceAll, 0, cache.Indexers{}, nil).Informer()
	set := func(object any) {
		if m, ok := object.(*metav1.PartialObjectMetadata); ok {
			n.set(m.Name, m.Labels)
		}
	}
	known, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    set,
		UpdateFunc: func(_, object any) { set(object) },
		DeleteFunc: func(object any) {
			if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
				object = gone.Obj
			}
			if m, ok := object.(*metav1.PartialObjectMetadata); ok {
				n.drop(m.Name)
			}
		},
	})
	if err != nil {
		n.logger.Warn("Could not watch the labels of namespaces", "error", err)
		return
	}
	group.Go(func() { informer.RunWithContext(ctx) })
	n.synced = known.HasSynced
	group.Go(func() {
		if cache.WaitForCacheSync(ctx.Done(), known.HasSynced) {
			n.changed()
		}
	})
}

// set takes in the labels of a namespace.
func (n *namespaces) set(name string, l labels.Set) {
	n.mu.Lock()
	same := maps.Equal(n.known[name], l)
	n.known[name] = maps.Clone(l)
	n.mu.Unlock()
	if !same {
		n.changed()
	}
}

// drop forgets a namespace that is gone.
func (n *namespaces) drop(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.known, name)
}
