// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/posthorn-dev/posthorn/internal/catalogue"
	"github.com/posthorn-dev/posthorn/internal/compile"
)

// memo keeps what was made of the specs of objects, so that a change of one object does not cost the
// compilation of all that are looked at beside it. The zero value is ready, and safe for concurrent
// use.
type memo[V any] struct {
	mu      sync.Mutex
	entries map[types.NamespacedName]memoEntry[V]
}

// memoEntry is what was made of one generation of an object.
type memoEntry[V any] struct {
	uid        types.UID
	generation int64
	value      V
}

// get returns what is made of an object, which build makes where that of another generation is known.
func (m *memo[V]) get(obj client.Object, build func() V) V {
	name := client.ObjectKeyFromObject(obj)
	m.mu.Lock()
	known, ok := m.entries[name]
	m.mu.Unlock()
	if ok && known.uid == obj.GetUID() && known.generation == obj.GetGeneration() {
		return known.value
	}
	value := build()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries == nil {
		m.entries = map[types.NamespacedName]memoEntry[V]{}
	}
	m.entries[name] = memoEntry[V]{obj.GetUID(), obj.GetGeneration(), value}
	return value
}

// forget drops what is known of an object that is gone.
func (m *memo[V]) forget(name types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.entries, name)
}

// compiledType is what became of the description of a type.
type compiledType struct {
	value *catalogue.Type
	err   error
}

// memos are those of all reconcilers.
type memos struct {
	types memo[compiledType]
	reads memo[compile.Reads]
}
