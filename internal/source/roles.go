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

// roles tells when somebody's rights may have changed. It looks at no role: that one changed is enough to ask again.
type roles struct {
	client  metadata.Interface
	logger  *slog.Logger
	changed func()
	started bool
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

// follow tells of every change of one resource until ctx ends.
func (r *roles) follow(ctx context.Context, resource schema.GroupVersionResource) {
	for ctx.Err() == nil {
		// A watch from no version on begins with all that there are, which does no harm.
		stream, err := r.client.Resource(resource).Watch(ctx, metav1.ListOptions{})
		if err == nil {
			for range stream.ResultChan() {
				r.changed()
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(rolesRetry):
		}
	}
}
