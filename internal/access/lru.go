// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"container/list"
	"sync"
)

// lru is a map with a bound: what was used longest ago makes room. It is safe for concurrent use.
type lru[V any] struct {
	size int

	mu    sync.Mutex
	items map[string]*list.Element
	order *list.List // of *lruItem[V], last used first
}

type lruItem[V any] struct {
	key   string
	value V
}

func newLRU[V any](size int) *lru[V] {
	return &lru[V]{size: size, items: map[string]*list.Element{}, order: list.New()}
}

func (c *lru[V]) get(key string) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.items[key]
	if !ok {
		var none V
		return none, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*lruItem[V]).value, true
}

func (c *lru[V]) put(key string, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.items[key]; ok {
		e.Value.(*lruItem[V]).value = value
		c.order.MoveToFront(e)
		return
	}
	c.items[key] = c.order.PushFront(&lruItem[V]{key: key, value: value})
	if c.order.Len() > c.size {
		c.drop(c.order.Back())
	}
}

func (c *lru[V]) remove(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.items[key]; ok {
		c.drop(e)
	}
}

// drop takes an element out; the caller holds the lock.
func (c *lru[V]) drop(e *list.Element) {
	c.order.Remove(e)
	delete(c.items, e.Value.(*lruItem[V]).key)
}

func (c *lru[V]) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}
