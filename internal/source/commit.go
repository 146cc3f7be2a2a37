// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// commit writes a batch: the events, what is remembered, and nothing of it twice. It tries until that works, or
// ctx ends.
func (w *watch) commit(ctx context.Context, b *batch) error {
	if b.empty() {
		return nil
	}
	w.open = w.open || len(b.emissions) > 0
	if err := w.store(ctx, b); err != nil {
		return err
	}
	values := make(map[eventlog.ObjectKey][]byte, len(b.dirty))
	for uid := range b.dirty {
		e := w.entries[uid]
		record, left, err := e.record(b.kept[uid])
		if err != nil {
			return err
		}
		w.leaveOut(e, left)
		values[eventlog.ObjectKey{Watch: w.id, UID: uid}] = record
	}
	err := w.persist(ctx, "Could not remember what became of objects", func() error { return w.put(ctx, values) })
	if err == nil {
		w.open, w.worked = false, true
	}
	return err
}

// leaveOut says which takers have to do without the last state of an object, which is too large to be kept for them.
func (w *watch) leaveOut(e *entry, keys []string) {
	for _, t := range w.plan.takers {
		if p := e.part(t.id); slices.ContainsFunc(keys, func(key string) bool { return p.needs(t, key) }) {
			w.failed(t, fmt.Errorf("what is kept of the last states of %s is too much: goes on without that of this source",
				change.Subject(e.namespace, e.name)))
		}
	}
}

// needs reports whether a taker needs the state that is kept by a key.
func (p *part) needs(t *taker, key string) bool {
	return p != nil && (key == t.heldKey() || key == t.source.Redact.Key() && (t.keepsObject() || p.leaves()))
}

// put stores what is remembered of objects. What the event log can never take must not hold up the rest: it stays as it
// was stored before.
func (w *watch) put(ctx context.Context, values map[eventlog.ObjectKey][]byte) error {
	err := w.log.PutObjects(ctx, values)
	if !errors.Is(err, eventlog.ErrTooLarge) {
		return err
	}
	for k, v := range values {
		err := w.log.PutObjects(ctx, map[eventlog.ObjectKey][]byte{k: v})
		if errors.Is(err, eventlog.ErrTooLarge) {
			w.logger.Error("Could not remember what became of an object, since that is too much; a start may tell it again",
				"uid", k.UID, "bytes", len(v), "error", err)
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// persist calls f until it works, or until ctx ends: what was read from the API server is not let go.
func (w *watch) persist(ctx context.Context, failure string, f func() error) error {
	defer w.holdUp(false)
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, f() },
		backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, next time.Duration) {
			w.holdUp(true)
			w.logger.Warn(failure, "error", err, "nextAttemptIn", next) //nolint:sloglint // one of two constants
		}))
	return err
}

// store hands the events to ingest, each namespace's in their order. A namespace that may store no more for now is
// not waited for, so that it holds up nobody: what it is to be told is remembered with the object.
func (w *watch) store(ctx context.Context, b *batch) error {
	byNamespace := map[string][]emission{}
	for _, m := range b.emissions {
		byNamespace[m.taker.source.Name.Namespace] = append(byNamespace[m.taker.source.Name.Namespace], m)
	}
	for _, namespace := range slices.Sorted(maps.Keys(byNamespace)) {
		emissions := byNamespace[namespace]
		var fresh []emission
		for _, m := range emissions {
			if !w.sent.has(m.event) {
				fresh = append(fresh, m)
			}
		}
		for len(fresh) > 0 && !w.refused[namespace] {
			chunk := fresh[:chunkOf(fresh)]
			stored, err := w.storeChunk(ctx, namespace, chunk)
			if err != nil {
				return err
			}
			if stored {
				fresh = fresh[len(chunk):]
			}
		}
		w.takeBack(b, fresh) // the rest of them, too: they come behind those that wait
	}
	return nil
}

// chunkBytes is how much data the events that are handed over together have, unless it is one: a share that has room for
// some of them must not refuse all.
const chunkBytes = 1 << 20

// chunkOf returns how many of the emissions are handed over together: one at least.
func chunkOf(emissions []emission) int {
	size := 0
	for i, m := range emissions[:min(len(emissions), batchSize)] {
		if size += len(m.event.Data); size > chunkBytes && i > 0 {
			return i
		}
	}
	return min(len(emissions), batchSize)
}

// storeChunk hands over the events of one namespace, and returns whether that may store them. If not, it is refused.
func (w *watch) storeChunk(ctx context.Context, namespace string, chunk []emission) (stored bool, err error) {
	events := make([]*event.Event, len(chunk))
	for i, m := range chunk {
		events[i] = m.event
	}
	refused := false
	err = w.persist(ctx, "Could not store events of resources", func() error {
		err := w.accept(ctx, namespace, events)
		if refused = isRefusal(err); refused {
			return nil
		}
		return err
	})
	switch {
	case err != nil:
		return false, err
	case refused:
		w.refuse(namespace)
		return false, nil
	}
	if len(w.refused) == 0 {
		w.waits = 0
	}
	now := time.Now()
	for _, m := range chunk {
		r := w.records[m.taker.id]
		r.Emitted++
		r.LastEvent = now
		w.meter.emitted(m.taker)
	}
	return true, nil
}
