// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"log/slog"
	"maps"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"
)

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
}

func newNamespaces(c metadata.Interface, logger *slog.Logger, changed func()) *namespaces {
	return &namespaces{client: c, logger: logger, changed: changed, known: map[string]labels.Set{}}
}

// labels returns the labels of a namespace; none while they are not known.
func (n *namespaces) labels(namespace string) labels.Labels {
	n.mu.Lock()
	defer n.mu.Unlock()
	if l, ok := n.known[namespace]; ok {
		return l
	}
	return noLabels
}

// ready reports whether the labels of all namespaces are known.
func (n *namespaces) ready() bool { return n.synced != nil && n.synced() }

// need begins to watch the namespaces the first time that it is needed, and tells when they are known.
func (n *namespaces) need(ctx context.Context, group *sync.WaitGroup, needed bool) {
	if !needed || n.started {
		return
	}
	n.started = true
	resource := schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	informer := metadatainformer.NewFilteredMetadataInformer(n.client, resource, metav1.NamespaceAll, 0, cache.Indexers{}, nil).Informer()
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
				n.set(m.Name, nil)
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
	if l == nil {
		delete(n.known, name)
	} else {
		n.known[name] = maps.Clone(l)
	}
	n.mu.Unlock()
	if !same {
		n.changed()
	}
}
