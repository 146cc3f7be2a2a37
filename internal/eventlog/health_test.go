// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// TestEngine_IsHealthyOnABusyMachine has more goroutines want the processors than there are of them, so that any
// look at the engine may be held up on its way.
func TestEngine_IsHealthyOnABusyMachine(t *testing.T) {
	l, err := Open(t.Context(), Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	var busy sync.WaitGroup
	var stop atomic.Bool
	for range 2 * runtime.GOMAXPROCS(0) {
		busy.Go(func() {
			for !stop.Load() { //nolint:revive // it is to keep a processor busy
			}
		})
	}
	for range 3_000 {
		if err := l.engine.health(); err != nil {
			t.Errorf("the engine is said to be ill: %v", err)
			break
		}
	}
	stop.Store(true)
	busy.Wait()
}
