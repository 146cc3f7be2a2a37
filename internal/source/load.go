// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// load reads what earlier runs remembered, until that works; false means that ctx ended.
func (w *watch) load(ctx context.Context) bool {
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, w.read(ctx) },
		backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, next time.Duration) {
			w.logger.Warn("Could not read what is remembered of a resource", "error", err, "nextAttemptIn", next)
		}))
	return err == nil
}

// read reads what earlier runs remembered. What cannot be read is begun anew.
func (w *watch) read(ctx context.Context) error {
	w.reset()
	data, err := w.log.Checkpoint(ctx, w.id)
	unknown := errors.Is(err, eventlog.ErrNotFound)
	if err != nil && !unknown {
		return err
	}
	if w.sent == nil {
		if w.sent, err = readSent(ctx, w.log, map[string][]byte{w.id: data}); err != nil {
			return err
		}
	}
	w.recovering, w.toldUpTo = true, w.sent.newest()
	if unknown {
		return w.log.RemoveWatch(ctx, w.id) // entries without a checkpoint are of a first list that was broken off
	}
	c, err := readCheckpoint(data)
	if err != nil {
		w.logger.Warn("Begins a watch anew, since what is remembered of it cannot be read", "error", err)
		return w.log.RemoveWatch(ctx, w.id)
	}
	w.version, w.written, w.upToDate, w.remembered = c.ResourceVersion, c, c.Time, c.EventSequence
	for id, r := range c.Takers {
		w.records[id] = &r
	}
	var broken error
	err = w.log.Objects(ctx, w.id, func(uid string, data []byte) {
		e, _, err := readEntry(uid, data, w.names, false)
		if err != nil {
			broken = err
			return
		}
		e.parts = slices.DeleteFunc(e.parts, func(p part) bool { return w.records[p.taker] == nil })
		for _, p := range e.parts {
			if p.waits() {
				w.records[p.taker].Held = true // since when, the checkpoint may not say
			}
		}
		w.entries[uid] = e
		if len(e.parts) == 0 {
			w.leaving[uid], w.worked = struct{}{}, true
		}
	})
	if err != nil {
		return err
	}
	if broken != nil {
		// An object that is not remembered would look like a new one.
		w.logger.Warn("Begins a watch anew, since what is remembered of an object cannot be read", "error", broken)
		w.reset()
		return w.log.RemoveWatch(ctx, w.id)
	}
	return nil
}

// reset has the watch know nothing.
func (w *watch) reset() {
	w.entries, w.records, w.timers = map[string]*entry{}, map[string]*takerRecord{}, timers{}
	w.version, w.written, w.leaving = "", checkpoint{}, map[string]struct{}{}
}
