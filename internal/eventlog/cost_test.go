// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// TestLog_ReadsAWaitingDeliveryInLittleMemory counts bytes: a parked delivery is read for each attempt, and
// room for a batch of answers, made anew for each, had cost a hundred times what the delivery takes.
func TestLog_ReadsAWaitingDeliveryInLittleMemory(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	seq, err := l.StoreWaiting(eventlog.Place{
		Namespace: "team-a", Subscription: "all", EndpointNamespace: "team-a", EndpointName: "billing",
	}, make([]byte, 512)).Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	result := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			if _, err := l.Waiting(b.Context(), seq); err != nil {
				b.Fatal(err)
			}
		}
	})
	got := result.AllocedBytesPerOp()
	if got > 64<<10 {
		t.Errorf("reading one took %d bytes of memory, engine included", got)
	}
}

// TestLog_FindsTheFirstMessageWithoutReadingIt counts bytes: what is too old is looked for every 15 s, and mostly there
// is nothing. A block of up to 8 MiB would be read for it each time.
func TestLog_FindsTheFirstMessageWithoutReadingIt(t *testing.T) {
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: dir})
	for range 40 { // more than a block
		if _, err := l.Append(t.Context(), "team-a", [][]byte{make([]byte, 256<<10)}); err != nil {
			t.Fatal(err)
		}
	}
	l.Close() // so that the engine keeps nothing of what was written
	l = open(t, eventlog.Options{Dir: dir})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	first, err := l.EventAt(t.Context(), time.Now().Add(-time.Hour))
	runtime.ReadMemStats(&after)
	if err != nil || first != 1 {
		t.Errorf("got %d and error %v, want the first event", first, err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("finding it took %d bytes of memory, engine included", got)
	}
}
