// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"sync"
	"time"

	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/config"
)

// maxBuckets is how many namespaces' rates are remembered before those that sent nothing lately are
// forgotten.
const maxBuckets = 10_000

// quota is what ingest asks: the namespace's rate of events, and its share of the storage.
type quota struct {
	storage *Dispatcher
	rates   config.Ingest

	mu      sync.Mutex
	buckets map[string]*bucket
}

// newQuota returns a quota on a dispatcher's storage.
func newQuota(d *Dispatcher, rates config.Ingest) *quota {
	return &quota{storage: d, rates: rates, buckets: map[string]*bucket{}}
}

// Admit counts events and their bytes for the namespace, or says when to ask again.
func (q *quota) Admit(namespace string, events, bytes int) (retryAfter time.Duration, ok bool) {
	if retryAfter, ok = q.storage.Admit(namespace, bytes); !ok {
		return retryAfter, false
	}
	if retryAfter = q.take(namespace, events, time.Now()); retryAfter > 0 {
		q.storage.Return(namespace, bytes)
		return retryAfter, false
	}
	return 0, true
}

// Return gives back bytes that were not stored. Their events count against the rate all the same.
func (q *quota) Return(namespace string, bytes int) { q.storage.Return(namespace, bytes) }

// take counts events against the namespace's rate. It returns 0, or after how long there is room.
func (q *quota) take(namespace string, events int, now time.Time) time.Duration {
	limit := q.rates.RateLimitOf(namespace)
	if limit == nil {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.buckets[namespace]
	if b == nil {
		if len(q.buckets) >= maxBuckets {
			q.forget(now)
		}
		b = &bucket{limit: *limit, tokens: float64(limit.Requests), at: now}
		q.buckets[namespace] = b
	}
	return b.take(events, now)
}

// forget drops the buckets that are full: a new one is the same.
func (q *quota) forget(now time.Time) {
	for namespace, b := range q.buckets {
		if b.fill(now); b.tokens >= float64(b.limit.Requests) {
			delete(q.buckets, namespace)
		}
	}
}

// bucket is a token bucket that a batch may overdraw: a full bucket takes a batch of any size, and
// what comes next waits until the debt is paid.
type bucket struct {
	limit  compile.RateLimit
	tokens float64
	at     time.Time
}

// fill adds the tokens of the time that went by.
func (b *bucket) fill(now time.Time) {
	b.tokens = min(b.tokens+b.perSecond()*now.Sub(b.at).Seconds(), float64(b.limit.Requests))
	b.at = now
}

// perSecond is how many tokens a second brings.
func (b *bucket) perSecond() float64 { return float64(b.limit.Requests) / b.limit.Per.Seconds() }

// take takes n tokens and returns 0, or takes none and returns after how long there are enough.
func (b *bucket) take(n int, now time.Time) time.Duration {
	b.fill(now)
	if lack := float64(min(n, b.limit.Requests)) - b.tokens; lack > 0 {
		wait := time.Duration(lack / b.perSecond() * float64(time.Second))
		return max(wait, time.Millisecond)
	}
	b.tokens -= float64(n)
	return 0
}
