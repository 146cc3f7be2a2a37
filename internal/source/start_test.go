// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/source"
)

// noting is a log that notes from where events are read.
type noting struct {
	source.Log
	mu   *sync.Mutex
	from *[]uint64
}

func (n noting) EventsBehind(ctx context.Context, after uint64, handle func(eventlog.Message)) error {
	n.mu.Lock()
	*n.from = append(*n.from, after)
	n.mu.Unlock()
	return n.Log.EventsBehind(ctx, after, handle)
}

func TestRunner_ReadsNoEventsForAKindThatIsNotWatchedAnyMore(t *testing.T) {
	w := newWorld(t)
	w.start()
	for id, sequence := range map[string]int{"gone": 1, "late": 19_990, "prompt": 20_000} {
		if err := w.log.PutCheckpoint(t.Context(), id, fmt.Appendf(nil, `{"version":1,"eventSequence":%d}`, sequence)); err != nil {
			t.Fatal(err)
		}
	}
	w.stop()
	var mu sync.Mutex
	var from []uint64
	w.start(func(o *source.Options) { o.Log = noting{o.Log, &mu, &from} })
	w.eventually("events are read", func() error {
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(from, []uint64{19_990}) {
			return fmt.Errorf("they are read from %v on", from)
		}
		return nil
	})
}
