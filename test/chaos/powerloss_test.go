// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
)

// syncLog is the variable that names the file where the engine of buildSyncNoting notes what it has synced.
const syncLog = "POSTHORN_SYNC_LOG"

// noting is appended to the engine's file store. Each note is the number of a file and how much of it had been
// written before a sync that succeeded.
const noting = `
func noteSync(f *os.File) error {
	info, _ := f.Stat()
	err := f.Sync()
	if err == nil {
		noteSynced(info)
	}
	return err
}

func noteSyncedFile(name string) {
	info, _ := os.Stat(name)
	noteSynced(info)
}

func noteSynced(info os.FileInfo) {
	if info == nil || info.IsDir() {
		return
	}
	f, err := os.OpenFile(os.Getenv("` + syncLog + `"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(f, "%d %d\n", info.Sys().(*syscall.Stat_t).Ino, info.Size())
	f.Close()
}
`

// engineModule is the module whose one file that syncs is changed.
const engineModule = "github.com/nats-io/nats-server/v2"

// buildSyncNoting builds a dispatcher whose engine notes each sync. Nothing else of it differs: it is compiled
// from a copy of the engine with that one file changed.
var buildSyncNoting = sync.OnceValues(func() (binary string, err error) {
	dir := filepath.Join(posthorn.Dir, "sync")
	engine := filepath.Join(dir, "engine")
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", engineModule).Output()
	if err != nil {
		return "", fmt.Errorf("find the engine: %w", err)
	}
	if err := os.CopyFS(engine, os.DirFS(strings.TrimSpace(string(out)))); err != nil {
		return "", fmt.Errorf("copy the engine: %w", err)
	}
	if err := noteSyncs(filepath.Join(engine, "server", "filestore.go")); err != nil {
		return "", err
	}
	modfile := filepath.Join(dir, "go.mod")
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(platform.Root(), name))
		if err != nil {
			return "", fmt.Errorf("read %s: %w", name, err)
		}
		if name == "go.mod" {
			content = fmt.Appendf(content, "\nreplace %s => %s\n", engineModule, engine)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return "", fmt.Errorf("write %s: %w", name, err)
		}
	}
	return filepath.Join(dir, "dispatcher"), platform.Build(dir, "-modfile", modfile)
})

// noteSyncs changes the engine's file store.
func noteSyncs(path string) error {
	source, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the engine: %w", err)
	}
	syncs := regexp.MustCompile(`([\w.]+)\.Sync\(\)`)
	const rename = "\tif err := os.Rename(tmp, name); err != nil {\n\t\t_ = os.Remove(tmp)"
	if bytes.Count(source, []byte(rename)) != 1 || len(syncs.FindAll(source, -1)) == 0 {
		return fmt.Errorf("%s is not what this test knows", path)
	}
	changed := syncs.ReplaceAll(source, []byte("noteSync($1)"))
	changed = bytes.Replace(changed, []byte(rename), []byte("\tif sync {\n\t\tnoteSyncedFile(tmp)\n\t}\n"+rename), 1)
	changed = bytes.Replace(changed, []byte("import (\n"), []byte("import (\n\t\"syscall\"\n"), 1)
	if err := os.Chmod(path, 0o600); err != nil { // the module cache is read-only
		return fmt.Errorf("change the engine: %w", err)
	}
	if err := os.WriteFile(path, append(changed, noting...), 0o600); err != nil {
		return fmt.Errorf("change the engine: %w", err)
	}
	return nil
}

// cutToSynced makes of a directory what a power loss leaves in the worst case: of each file no more than what
// was synced, and no file that never was. It returns how many bytes and files went.
func cutToSynced(t *testing.T, dir, log string) (lost int64, files int) {
	t.Helper()
	notes, err := os.ReadFile(log)
	must(t, err)
	synced := map[uint64]int64{}
	for line := range strings.Lines(string(notes)) {
		var inode uint64
		var size int64
		if _, err := fmt.Sscanf(line, "%d %d", &inode, &size); err == nil {
			synced[inode] = size
		}
	}
	must(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		size, known := synced[info.Sys().(*syscall.Stat_t).Ino]
		switch {
		case !known:
			files++
			lost += info.Size()
			return os.Remove(path)
		case size < info.Size():
			lost += info.Size() - size
			return os.Truncate(path, size)
		}
		return nil
	}))
	return lost, files
}

// TestPowerLoss_LosesNoMoreThanTheSyncSettingSays cuts the power at a random moment while events come in for
// an endpoint that is down. With sync: Always every accepted event arrives and is accounted for; with sync: Interval those that were
// accepted longer ago than the interval.
func TestPowerLoss_LosesNoMoreThanTheSyncSettingSays(t *testing.T) {
	tests := map[string]struct {
		// wait is how long what must survive is left alone before the power goes: longer than it takes until all is
		// synced.
		wait time.Duration
		// all says that what comes in at the last moment must survive too, and what became of it.
		all bool
	}{
		"Always":   {0, true},
		"Interval": {25 * time.Second, false},
	}
	binary, err := buildSyncNoting()
	must(t, err)
	for sync, tt := range tests {
		t.Run(sync, func(t *testing.T) {
			ctx := within(t, 4*time.Minute)
			log := filepath.Join(t.TempDir(), "synced")
			d := newDispatcher(t, platform.DispatcherOptions{
				Config:  strings.Replace(configuration, "maxBytes: 2Gi", "maxBytes: 2Gi, sync: "+sync, 1),
				Program: binary, Env: []string{syncLog + "=" + log},
			})
			must(t, d.Start())
			startOperator(t, nil)
			s := newSmallTown(ctx, t, d.Ingest)
			must(t, s.post(ctx, 100))
			pause(ctx, tt.wait)
			early := s.posted
			accepted := s.postUntil(ctx, time.Now().Add(time.Duration(dice(t).Int64N(int64(2*time.Second)))))
			d.Kill()
			if tt.all {
				early = accepted
			}
			lost, files := cutToSynced(t, d.DataDir, log)
			t.Logf("sync %s: %d events accepted, cut off were %d bytes and %d files that were never synced", sync, accepted, lost, files)

			must(t, d.Start())
			must(t, d.AwaitReady(ctx))
			s.receiver.Answer("down", nil)
			must(t, platform.Await(ctx, "what had to survive arrived", func(context.Context) error {
				l := newLedger(s.receiver.Requests())
				for i := range early {
					for _, name := range s.endpoints {
						if len(l.delivered[[2]string{name, eventID(i)}]) == 0 {
							return fmt.Errorf("%s has not got %s", name, eventID(i))
						}
					}
				}
				return nil
			}))
			s.posted = accepted + 1_000 // ids that were never used
			must(t, s.post(ctx, 10))
			must(t, platform.Await(ctx, "it goes on", func(context.Context) error {
				l := newLedger(s.receiver.Requests())
				for i := s.posted - 10; i < s.posted; i++ {
					if len(l.delivered[[2]string{"down", eventID(i)}]) == 0 {
						return fmt.Errorf("%s has not arrived", eventID(i))
					}
				}
				return nil
			}))
			checkAccount(ctx, t, d, tt.all)
		})
	}
}

// checkAccount waits until nothing is pending, and tells what the figures lack then. Where they must be whole, that fails
// the test.
func checkAccount(ctx context.Context, t *testing.T, d *platform.Dispatcher, whole bool) {
	t.Helper()
	must(t, platform.Await(ctx, "nothing is pending", func(ctx context.Context) error {
		pending, err := d.Pending(ctx)
		if err == nil && pending != 0 {
			err = fmt.Errorf("%d deliveries are pending", pending)
		}
		return err
	}))
	m, err := d.ReadMetrics(ctx)
	must(t, err)
	off, known := m["posthorn_unaccounted_deliveries"]
	t.Logf("%v deliveries are unaccounted for", off)
	if !known || whole && off != 0 {
		t.Errorf("%v deliveries are unaccounted for (shown: %t), though all that was written was synced", off, known)
	}
}

// postUntil posts events one by one until the time, and returns how many were accepted in all.
func (s *smallTown) postUntil(ctx context.Context, end time.Time) int {
	for time.Now().Before(end) {
		if s.post(ctx, 1) != nil {
			break
		}
	}
	return s.posted
}
