// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"context"
	"time"

	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// claimTries is how often a request tries to claim its events: the first reading that it shares may have begun
// before the doubt that it has to resolve.
const claimTries = 3

// claim claims events for a request. While it is in doubt what the log holds, the log is read first: one of the
// events may be the repetition that a producer was asked for when the log did not confirm the first.
func (h *Handler) claim(ctx context.Context, events []*event.Event) (claim, error) {
	digests := make([]digest, len(events))
	for i, e := range events {
		digests[i] = digestOf(e)
	}
	for range claimTries {
		if c, ok := h.window.claim(digests, time.Now()); ok {
			return c, nil
		}
		if err := h.resolve(ctx); err != nil {
			return claim{}, logProblem(err)
		}
	}
	return claim{}, logProblem(eventlog.ErrUnavailable)
}

// resolve reads from the log which of the events that it did not confirm are stored. It goes on when the producer
// leaves: others may be waiting for it.
func (h *Handler) resolve(ctx context.Context) error {
	_, err, _ := h.reading.Do("", func() (any, error) {
		d := h.window.doubted()
		if d.requests == 0 {
			return nil, nil // another request has read meanwhile
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.options.AppendTimeout)
		defer cancel()
		return nil, h.learn(ctx, d)
	})
	return err
}

// learn reads from the log which events were stored from a doubt on, but no more than the window has room for.
func (h *Handler) learn(ctx context.Context, d doubt) error {
	since := time.Now().Add(-h.options.Window)
	last, err := h.options.Log.RecentEvents(ctx, d.after, since, h.options.WindowEntries, func(m eventlog.Message) {
		// A record of a version that this build cannot read is one that it did not write.
		if i, err := event.RecordIdentity(m.Data); err == nil {
			h.window.restore(digestOfRecord(i), m.Time)
		}
	})
	if err != nil {
		return err
	}
	h.window.resolved(d, last)
	return nil
}
