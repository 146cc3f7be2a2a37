// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// removedFor is how long a message without content stands for a value that was removed: the engine writes its index
// every two minutes and a half at most.
const removedFor = 10 * time.Minute

// remove has the values of subjects that keep one message each be no more, and returns when that is durable.
//
// The engine writes down at once what was purged, but what was replaced only with its index. After a crash in between, the
// value before the one that was purged would be back. So a message without content replaces it, until the index says
// that all of them are gone. Where there is no room for that message, what is to be removed is purged all the same, to
// make room.
func (l *Log) remove(ctx context.Context, s jetstream.Stream, verb string, subjects []string) error {
	for batch := range slices.Chunk(subjects, objectBatch) {
		acks := make([]Ack, len(batch))
		for i, subject := range batch {
			acks[i] = publish(l.core, subject, nil, jetstream.WithMsgTTL(removedFor))
		}
		for i, a := range acks {
			_, err := a.Wait(ctx)
			if errors.Is(err, ErrFull) {
				err = l.purge(ctx, s, verb, jetstream.WithPurgeSubject(batch[i]))
			}
			if err != nil {
				return fmt.Errorf("%s: %w", verb, err)
			}
		}
	}
	return nil
}

// isRemoved reports whether what a message holds stands for a value that was removed.
func isRemoved(data []byte) bool { return len(data) == 0 }
