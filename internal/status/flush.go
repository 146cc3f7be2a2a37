// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"context"
	"time"
)

// flushPoll is how often Flush looks whether all is written.
const flushPoll = 20 * time.Millisecond

// Flush waits until everything that may be written now is written, or until ctx ends. Counters that
// wait for their interval are left out: they are stored by the dispatcher itself, which writes them
// after its next start. Run must be running.
func (w *Writer) Flush(ctx context.Context) {
	ticker := time.NewTicker(flushPoll)
	defer ticker.Stop()
	for w.board.busy() {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// busy reports whether anything waits in a queue, or is being written.
func (b *board) busy() bool {
	if b.pending(true, routed, turned, moved) {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.entries {
		if e.writing {
			return true
		}
	}
	return false
}
