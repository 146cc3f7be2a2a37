// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// disk is a small file system that can be filled by others than the log.
type disk struct{ dir string }

// newDisk mounts a file system of the size, in bytes.
func newDisk(t *testing.T, size int) disk {
	t.Helper()
	d := disk{t.TempDir()}
	if err := syscall.Mount("tmpfs", d.dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Fatalf("mount file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return d
}

// fill leaves nothing free.
func (d disk) fill(t *testing.T) {
	t.Helper()
	f, err := os.Create(filepath.Join(d.dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
}

// empty removes what fill wrote.
func (d disk) empty(t *testing.T) {
	t.Helper()
	if err := os.Remove(filepath.Join(d.dir, "ballast")); err != nil {
		t.Fatal(err)
	}
}

// eventually tries until it succeeds.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if err = try(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

func TestLog_GoesOnWhenAFullFileSystemHasRoomAgain(t *testing.T) {
	if os.Getuid() != 0 {
		return // only root mounts; the limit of the engine is covered by TestLog_RefusesEventsWhenFullAndKeepsWhatItHas
	}
	d := newDisk(t, 64<<20)
	l := open(t, eventlog.Options{Dir: filepath.Join(d.dir, "data")})
	read := make(chan eventlog.Message, 100)
	stop, err := l.ReadEvents(t.Context(), 1, func(m eventlog.Message) { read <- m })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	var stored []uint64
	add := func() error {
		seqs, err := l.Append(t.Context(), "team-a", [][]byte{fmt.Appendf(nil, "event %d", len(stored)+1)})
		if err == nil {
			stored = append(stored, seqs[0])
		}
		return err
	}
	place := eventlog.Place{Namespace: "team-a", Subscription: "s", EndpointNamespace: "team-a", EndpointName: "e"}
	follow := func() error {
		_, err := l.StoreWaiting(place, make([]byte, 64<<10)).Wait(t.Context())
		return err
	}
	for range 10 {
		if err := errors.Join(add(), follow()); err != nil {
			t.Fatal(err)
		}
	}

	d.fill(t)
	eventually(t, "a full file system was not noticed", func() error {
		err := add()
		if !errors.Is(err, eventlog.ErrFull) && !errors.Is(err, eventlog.ErrUnavailable) {
			return fmt.Errorf("appended an event, error %w", err)
		}
		return nil
	})
	eventually(t, "the engine could write", func() error {
		if err := follow(); !errors.Is(err, eventlog.ErrUnavailable) && !errors.Is(err, eventlog.ErrFull) {
			return fmt.Errorf("stored a waiting delivery, error %w", err)
		}
		return nil
	})
	eventually(t, "the log calls itself healthy", func() error {
		if err := l.Health(); !errors.Is(err, eventlog.ErrUnavailable) {
			return fmt.Errorf("health is %w", err)
		}
		return nil
	})
	if _, err := l.RecentEvents(t.Context(), 0, time.Time{}, 100, func(eventlog.Message) {}); !errors.Is(err, eventlog.ErrUnavailable) {
		t.Errorf("error %v, want ErrUnavailable: what was written in part is not known before the engine starts again", err)
	}

	d.empty(t)
	eventually(t, "no event was taken when there was room", add)
	eventually(t, "no waiting delivery was taken when there was room", follow)
	for range 10 {
		if err := errors.Join(add(), follow()); err != nil {
			t.Fatal(err)
		}
	}
	for i, seq := range stored {
		m := <-read
		if want := fmt.Sprintf("event %d", i+1); m.Seq != seq || string(m.Data) != want {
			t.Fatalf("read %d %q, want %d %q", m.Seq, m.Data, seq, want)
		}
	}
}
