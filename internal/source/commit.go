// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

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
		record, err := w.entries[uid].record(b.kept[uid])
		if err != nil {
			return err
		}
		values[eventlog.ObjectKey{Watch: w.id, UID: uid}] = record
	}
	err := w.persist(ctx, "Could not remember what became of objects", func() error { return w.log.PutObjects(ctx, values) })
	if err == nil {
		w.open, w.worked = false, true
	}
	return err
}

// persist calls f until it works, or until ctx ends: what was read from the API server is not let go.
func (w *watch) persist(ctx context.Context, failure string, f func() error) error {
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, f() },
		backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, next time.Duration) {
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
		if len(fresh) > 0 && w.refused[namespace] {
			w.takeBack(b, fresh)
			continue
		}
		for chunk := range slices.Chunk(fresh, batchSize) {
			if err := w.storeChunk(ctx, b, namespace, chunk); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *watch) storeChunk(ctx context.Context, b *batch, namespace string, chunk []emission) error {
	events := make([]*event.Event, len(chunk))
	for i, m := range chunk {
		events[i] = m.event
	}
	refused := false
	err := w.persist(ctx, "Could not store events of resources", func() error {
		err := w.accept(ctx, namespace, events)
		if refused = isRefusal(err); refused {
			return nil
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case refused:
		w.refuse(namespace)
		w.takeBack(b, chunk)
		return nil
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
	return nil
}
