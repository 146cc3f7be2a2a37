// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"k8s.io/client-go/openapi"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/when"
)

const (
	// schemaPoll is how often the API server is asked whether schemas have changed: one request for a
	// list of hashes of some 10 KB.
	schemaPoll = time.Minute
	// schemaRefresh is how old that list may be where a kind is not in it that a source names.
	schemaRefresh = 5 * time.Second
	// maxSchemas is how many schemas are kept. Few clusters have sources with expressions on more kinds;
	// those read some of them again.
	maxSchemas = 32
)

// Schemas has the schemas of the cluster's resources, as the API server publishes them for OpenAPI v3.
//
// It asks for those that are needed, keeps a bounded number, and notices by the hashes in the API
// server's index when one has changed. It reads one document at a time, since they have up to some
// megabytes.
type Schemas struct {
	client openapi.ClientWithContext
	// poll is how often the index is read.
	poll      time.Duration
	listeners []chan event.GenericEvent

	mu     sync.Mutex
	index  map[string]openapi.GroupVersionWithContext
	readAt time.Time
	// told is the index that listeners know of.
	told   map[string]openapi.GroupVersionWithContext
	cached map[schemaKey]*when.Schema
}

// schemaKey is a kind in one revision of the document that has its schema; the URL has its hash.
type schemaKey struct{ url, kind string }

// NewSchemas returns the schemas of an API server. It must be added to the manager, which runs it on the
// leader.
func NewSchemas(client openapi.ClientWithContext) *Schemas {
	return &Schemas{client: client, poll: schemaPoll, cached: map[schemaKey]*when.Schema{}}
}

// Listen returns a channel that gets an event whenever a schema may have changed. It must be called
// before Start.
func (s *Schemas) Listen() <-chan event.GenericEvent {
	// One pending event stands for all: its handler looks at every object.
	c := make(chan event.GenericEvent, 1)
	s.listeners = append(s.listeners, c)
	return c
}

// Start watches the index until ctx ends.
func (s *Schemas) Start(ctx context.Context) error {
	tick := time.NewTicker(s.poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		changed, err := s.look(ctx)
		if err != nil {
			log.FromContext(ctx).V(1).Info("Index of schemas was not readable", "error", err.Error())
		}
		if changed {
			s.notify()
		}
	}
}

// look reads the index, if somebody has needed it, and reports whether a schema that was handed out, or
// one that there was not, may be another now.
func (s *Schemas) look(ctx context.Context) (changed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told == nil {
		return false, nil
	}
	if err := s.refresh(ctx); err != nil {
		return false, err
	}
	before := s.told
	s.told = s.index
	same := maps.EqualFunc(before, s.index, func(a, b openapi.GroupVersionWithContext) bool {
		return a.ServerRelativeURL() == b.ServerRelativeURL()
	})
	return !same, nil
}

// refresh reads the index and forgets schemas of documents that are no more. The caller holds the lock.
func (s *Schemas) refresh(ctx context.Context) error {
	index, err := s.client.PathsWithContext(ctx)
	if err != nil {
		return fmt.Errorf("read index of schemas: %w", err)
	}
	s.index, s.readAt = index, time.Now()
	if s.told == nil {
		s.told = index
	}
	current := make(map[string]bool, len(index))
	for _, document := range index {
		current[document.ServerRelativeURL()] = true
	}
	maps.DeleteFunc(s.cached, func(k schemaKey, _ *when.Schema) bool { return !current[k.url] })
	return nil
}

func (s *Schemas) notify() {
	for _, c := range s.listeners {
		select {
		case c <- event.GenericEvent{Object: &hookv1.WebhookEventSource{}}:
		default:
		}
	}
}

// Of returns the schema of a resource. The error is when.ErrNoSchema where the cluster does not serve
// the kind or publishes no schema of it.
func (s *Schemas) Of(ctx context.Context, r compile.Resource) (*when.Schema, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := when.DocumentOf(r.Group, r.Version)
	document, found := s.index[path]
	if !found && time.Since(s.readAt) > schemaRefresh {
		if err := s.refresh(ctx); err != nil {
			return nil, err
		}
		document, found = s.index[path]
	}
	if !found {
		return nil, when.ErrNoSchema
	}
	key := schemaKey{url: document.ServerRelativeURL(), kind: r.Kind}
	if schema, ok := s.cached[key]; ok {
		return schema, nil
	}
	raw, err := document.SchemaWithContext(ctx, "application/json")
	if err != nil {
		return nil, fmt.Errorf("read schemas of %s: %w", path, err)
	}
	schema, err := when.SchemaFor(raw, r.Group, r.Version, r.Kind)
	if err != nil {
		return nil, err
	}
	if len(s.cached) >= maxSchemas {
		clear(s.cached)
	}
	s.cached[key] = schema
	return schema, nil
}
