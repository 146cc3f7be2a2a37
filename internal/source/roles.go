// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"log/slog"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
)

// rolesRetry is how long a watch of roles that ended rests. While there is none, rights are asked for every minute.
const rolesRetry = 10 * time.Second

// rolesGather is how long changes of roles are gathered before rights are asked for again: an installation makes many
// roles and bindings at a time.
const rolesGather = 500 * time.Millisecond

// roles tells when somebody's rights may have changed. It looks at no role: that one changed is enough to ask again.
type roles struct {
	client  metadata.Interface
	logger  *slog.Logger
	changed func()
	started bool

	mu        sync.Mutex
	gathering bool
}

// watch begins to watch the first time that it is needed.
func (r *roles) watch(ctx context.Context, group *sync.WaitGroup, needed bool) {
	if !needed || r.started {
		return
	}
	r.started = true
	for _, resource := range []string{"roles", "rolebindings", "clusterroles", "clusterrolebindings"} {
		group.Go(func() {
			r.follow(ctx, schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: resource})
		})
	}
}

// follow tells of every change of one resource until ctx ends, and once whenever a watch begins anew: nobody knows
// what changed meanwhile.
func (r *roles) follow(ctx context.Context, resource schema.GroupVersionResource) {
	// What there is already is no change.
	options := metav1.ListOptions{SendInitialEvents: new(false), ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan}
	for again := false; ctx.Err() == nil; again = true {
		stream, err := r.client.Resource(resource).Watch(ctx, options)
		if err == nil {
			if again {
				r.tell()
			}
			for range stream.ResultChan() {
				r.tell()
			}
		} else {
			r.logger.Debug("Could not watch roles", "resource", resource.Resource, "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(rolesRetry):
		}
	}
}

// tell has rights asked for again, once for all changes of a short while.
func (r *roles) tell() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gathering {
		return
	}
	r.gathering = true
	time.AfterFunc(rolesGather, func() {
		r.mu.Lock()
		r.gathering = false
		r.mu.Unlock()
		r.changed()
	})
}
