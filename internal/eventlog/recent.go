// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// RecentEvents calls handle for the events behind a sequence that were stored since then, oldest first, but for
// the newest most of them at most, and returns the newest sequence. It settles what became of events that Append
// did not confirm: one that was given to Append before, and is not among them, will never be stored.
//
// Errors: ErrUnavailable, also while that is not certain.
func (l *Log) RecentEvents(
	ctx context.Context, after uint64, since time.Time, most int, handle func(Message),
) (last uint64, err error) {
	if err := l.drain(ctx); err != nil {
		return 0, fmt.Errorf("read recent events: %w", err)
	}
	info, err := l.info(ctx, l.events, "read recent events")
	if err != nil {
		return 0, err
	}
	last, from := info.State.LastSeq, after+1
	if last > uint64(most) { //nolint:gosec // most is positive
		from = max(from, last-uint64(most)+1) //nolint:gosec // likewise
	}
	return last, l.scan(ctx, l.events, "", from, func(m Message) {
		if !m.Time.Before(since) {
			handle(m)
		}
	})
}

// drain waits until the engine has stored or refused every event that was sent to it. The engine takes what one
// connection sends to one stream in its order, so an answer to a last message is one about all: a message that is
// refused, since it says that it is for another stream.
func (l *Log) drain(ctx context.Context) error {
	_, err := publish(l.producer, subjectNoEvent, nil, jetstream.WithExpectStream(streamState)).Wait(ctx)
	if api, ok := errors.AsType[*jetstream.APIError](err); !ok || api.ErrorCode != codeOtherStream {
		return fmt.Errorf("await the engine: %w: %w", ErrUnavailable, err)
	}
	// After a write that failed, only an engine that was started again knows what is on the disk.
	if err := l.engine.health(); err != nil {
		return fmt.Errorf("await the engine: %w: %w", ErrUnavailable, err)
	}
	return nil
}
