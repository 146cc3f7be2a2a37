// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"context"
	"sync"
	"time"

	toolscache "k8s.io/client-go/tools/cache"

	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// kindSecret is the kind of the objects that hold credentials.
const kindSecret = "Secret"

// change names an object that is not what it was.
type change struct {
	kind string
	name delivery.Name
}

// changes gathers what the informers tell. Each object is in it once, however often it changed.
type changes struct {
	mu     sync.Mutex
	marked map[change]struct{}
	signal chan struct{}
}

func newChanges() *changes {
	return &changes{marked: map[change]struct{}{}, signal: make(chan struct{}, 1)}
}

// markObject notes that an object changed or went. It takes what informers hand to their handlers.
func (c *changes) markObject(kind string, object any) {
	name, err := toolscache.DeletionHandlingObjectToName(object)
	if err != nil {
		return // informers hand out nothing but objects and tombstones
	}
	c.mu.Lock()
	c.marked[change{kind, delivery.Name{Namespace: name.Namespace, Name: name.Name}}] = struct{}{}
	c.mu.Unlock()
	c.touch()
}

// touch makes wait return, though nothing be marked.
func (c *changes) touch() {
	select {
	case c.signal <- struct{}{}:
	default:
	}
}

// wait blocks until there is a change, and then for as long as others may gather. It returns false
// when ctx ends first.
func (c *changes) wait(ctx context.Context, gather time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-c.signal:
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(gather):
		return true
	}
}

// take returns all changes and forgets them.
func (c *changes) take() map[change]struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.marked
	c.marked = map[change]struct{}{}
	return taken
}
