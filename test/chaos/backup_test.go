// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
)

// TestBackup_RestoresAWorkingSystem makes a backup by the documented command while events come in, are
// delivered, retried and parked; loses the volume; and restores the backup on a new one.
func TestBackup_RestoresAWorkingSystem(t *testing.T) {
	const early, late = 1_000, 200
	ctx := within(t, 5*time.Minute)
	d := newDispatcher(t, platform.DispatcherOptions{})
	must(t, d.Start())
	startOperator(t, nil)
	f := newFleet(t, d.Ingest, 40*time.Millisecond)
	f.post(ctx, t, 0, early, 0)

	archive := filepath.Join(t.TempDir(), "posthorn.tar")
	posting := make(chan struct{})
	go func() {
		defer close(posting)
		f.post(ctx, t, early, late, 10*time.Millisecond)
	}()
	must(t, platform.Await(ctx, "a backup is made", func(ctx context.Context) error {
		return exec.CommandContext(ctx, posthorn.Binary("dispatcher"), "backup", "--data-dir", d.DataDir, archive).Run()
	}))
	<-posting
	info, err := os.Stat(archive)
	must(t, err)
	t.Logf("the backup of a log with %d events has %d KiB", len(f.accepted), info.Size()>>10)

	d.Kill()
	must(t, os.RemoveAll(d.DataDir))
	restore := exec.CommandContext(ctx, posthorn.Binary("dispatcher"), "restore", "--data-dir", d.DataDir, archive)
	if said, err := restore.CombinedOutput(); err != nil {
		t.Fatalf("restore: %v: %s", err, said)
	}
	must(t, d.Start())
	must(t, d.AwaitReady(ctx))
	f.repair(ctx, t)
	must(t, awaitDrained(ctx, d))

	// What was accepted before the backup began has arrived, the later of them in this run. Of what came after it
	// some is lost with the volume, and was not sent.
	accepted := map[string]int{}
	for event, number := range f.accepted {
		if event < eventID(early) {
			accepted[event] = number
		}
	}
	l := newLedger(f.receiver.Requests())
	l.checkRequests(t)
	l.checkDelivered(t, accepted)
	f.post(ctx, t, early+late, 50, 0)
	must(t, awaitDrained(ctx, d))
	l = newLedger(f.receiver.Requests())
	for i := early + late; i < early+late+50; i++ {
		accepted[eventID(i)] = i % fleetKinds
	}
	l.checkDelivered(t, accepted)
}
