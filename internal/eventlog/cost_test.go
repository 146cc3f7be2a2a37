// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog_test

import (
	"testing"

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
