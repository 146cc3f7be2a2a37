// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/singleflight"
)

// reviews answers questions of one kind from a cache, and asks the API server for the rest. It is
// safe for concurrent use.
type reviews[V any] struct {
	ttl, deniedTTL, timeout time.Duration

	allowed *lru[answer[V]]
	denied  *lru[denial]
	flights singleflight.Group
	budget  *budget
	outage  *outage
	metrics *reviewMetrics
}

// answer is what the API server granted, and when.
type answer[V any] struct {
	value V
	at    time.Time
}

// denial is what the API server denied, and when. Denials have a cache of their own, so that
// garbage does not push out the callers that are accepted.
type denial struct {
	err *Error
	at  time.Time
}

// ask puts one question to the API server. A *Error in the chain of its error is a denial; any
// other error means that the question was not answered.
type ask[V any] func(ctx context.Context) (V, error)

// fresh returns an answer that needs no question.
func (r *reviews[V]) fresh(key string, now time.Time) (V, bool) {
	held, ok := r.allowed.get(key)
	if !ok || now.Sub(held.at) >= r.ttl {
		var none V
		return none, false
	}
	return held.value, true
}

// resolve returns the answer to the question that key stands for.
func (r *reviews[V]) resolve(ctx context.Context, key string, question ask[V]) (V, error) {
	now := time.Now()
	held, known := r.allowed.get(key)
	if known && now.Sub(held.at) < r.ttl {
		return held.value, nil
	}
	if d, ok := r.denied.get(key); ok && now.Sub(d.at) < r.deniedTTL {
		var none V
		return none, d.err
	}
	if known && r.outage.holds() {
		if r.outage.probe(now) {
			r.review(ctx, key, known, question)
		}
		r.metrics.stale.Inc()
		return held.value, nil
	}
	return r.await(ctx, r.review(ctx, key, known, question), held, known)
}

// await waits for a review. An answer that is held outlives an API server that is away.
func (r *reviews[V]) await(
	ctx context.Context, flight <-chan singleflight.Result, held answer[V], known bool,
) (V, error) {
	var none V
	select {
	case <-ctx.Done():
		return none, unavailable(ctx.Err())
	case result := <-flight:
		if result.Err == nil {
			return result.Val.(V), nil
		}
		if refusal, ok := errors.AsType[*Error](result.Err); ok {
			return none, refusal
		}
		if known && isAway(result.Err) {
			r.metrics.stale.Inc()
			return held.value, nil
		}
		return none, unavailable(result.Err)
	}
}

// review asks the API server once for all who ask the same at the same time. It goes on when the
// caller leaves, since others may wait for it.
func (r *reviews[V]) review(
	ctx context.Context, key string, known bool, question ask[V],
) <-chan singleflight.Result {
	ctx = context.WithoutCancel(ctx)
	return r.flights.DoChan(key, func() (any, error) {
		if wait, ok := r.budget.take(ctx, known); !ok {
			r.metrics.limited.Inc()
			return nil, overloaded(wait)
		}
		ctx, cancel := context.WithTimeout(ctx, r.timeout)
		defer cancel()
		value, err := question(ctx)
		r.keep(key, value, err)
		return value, err
	})
}

// keep stores the answer to a question.
func (r *reviews[V]) keep(key string, value V, err error) {
	now := time.Now()
	var refusal *Error
	switch {
	case err == nil:
		r.outage.record(false, now)
		r.allowed.put(key, answer[V]{value: value, at: now})
		r.denied.remove(key)
		r.metrics.allowed.Inc()
	case errors.As(err, &refusal):
		r.outage.record(false, now)
		r.allowed.remove(key)
		r.denied.put(key, denial{err: refusal, at: now})
		r.metrics.denied.Inc()
	default:
		r.outage.record(isAway(err), now)
		r.metrics.failed.Inc()
	}
}
