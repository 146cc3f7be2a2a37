// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

func TestDispatcher_SaysWhyItFailedForGood(t *testing.T) {
	s := start(t, nil)
	s.d.fail(io.ErrUnexpectedEOF)
	if err := s.d.Failure(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("failure is %v, want %v", err, io.ErrUnexpectedEOF)
	}
	if s.d.Accepting() == nil || s.d.Ready() == nil {
		t.Error("takes events, or is ready, after it failed")
	}
}

// fill takes all that is free on the file system of a directory, and returns what gives it back.
func fill(t *testing.T, dir string) (empty func()) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
	return func() {
		if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDispatcher_LosesNothingOnAFullFileSystem(t *testing.T) {
	if os.Getuid() != 0 {
		return // only root mounts; the engine's own limit has tests of its own
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", 96<<20)); err != nil {
		t.Fatalf("mount file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	hold := make(chan struct{})
	var failed sync.Map
	r := newReceiver(t, func(w http.ResponseWriter, r *http.Request, n int) {
		select {
		case <-hold:
		case <-r.Context().Done():
		}
		if _, again := failed.LoadOrStore(r.Header.Get("webhook-id"), true); !again && n%5 == 0 {
			w.WriteHeader(http.StatusInternalServerError) // a retry has to be stored, too
		}
	})
	s := startIn(t, filepath.Join(dir, "data"), nil)
	s.one(r)
	s.send("team-a", 400)
	s.eventually("requests are in flight", func() bool { _, total := r.distinct(); return total >= 16 })

	empty := fill(t, dir)
	close(hold)
	s.eventually("events are refused", func() bool { return s.d.Accepting() != nil })
	if _, err := s.log.Append(t.Context(), "team-a", [][]byte{make([]byte, 100)}); !errors.Is(err, eventlog.ErrFull) && !errors.Is(err, eventlog.ErrUnavailable) {
		t.Errorf("appended an event to a full log: %v", err)
	}

	empty()
	s.eventually("events are taken again", func() bool { return s.d.Accepting() == nil })
	s.send("team-a", 100)
	s.delivered(500)
	if distinct, _ := r.distinct(); distinct != 500 {
		t.Errorf("%d deliveries arrived, want 500", distinct)
	}

	s.down()
	s.up()
	s.send("team-a", 1)
	s.delivered(501)
	if a := s.d.Account(); a.Unaccounted() != 0 || a.DeadLettered != 0 {
		t.Errorf("account after a restart: %+v", a)
	}
}
