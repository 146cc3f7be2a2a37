// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"testing"
	"time"
)

// gcPercent is the percentage that is in force.
func gcPercent() uint64 {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// awaitGCPercent collects garbage until a percentage is in force, with so much work done before each time.
func awaitGCPercent(t *testing.T, done *atomic.Uint64, work, want uint64) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); gcPercent() != want; runtime.GC() {
		if time.Now().After(deadline) {
			t.Fatalf("the percentage is %d, want %d", gcPercent(), want)
		}
		done.Add(work)
	}
}

func TestPaceCollections(t *testing.T) {
	before := debug.SetGCPercent(gcPercentSmall)
	defer debug.SetGCPercent(before)
	t.Setenv("GOGC", "") // puts back what there was
	if err := os.Unsetenv("GOGC"); err != nil {
		t.Fatal(err)
	}
	var done atomic.Uint64
	stop := PaceCollections(done.Load)
	awaitGCPercent(t, &done, 1_000_000, gcPercentFast)
	awaitGCPercent(t, &done, 0, gcPercentSmall)
	awaitGCPercent(t, &done, 1_000_000, gcPercentFast)
	stop()
	if got := gcPercent(); got != gcPercentSmall {
		t.Errorf("the percentage is %d after the end, want %d", got, gcPercentSmall)
	}
}

func TestPaceCollections_LeavesGOGCAlone(t *testing.T) {
	before := debug.SetGCPercent(70)
	defer debug.SetGCPercent(before)
	t.Setenv("GOGC", "70")
	var done atomic.Uint64
	defer PaceCollections(done.Load)()
	for range 3 {
		done.Add(1_000_000)
		runtime.GC()
	}
	if got := gcPercent(); got != 70 {
		t.Errorf("the percentage is %d, want 70", got)
	}
}
