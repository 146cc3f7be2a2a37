// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package dispatcher

import (
	"errors"
	"net/http"
	"path/filepath"
	"sync"
	"testing"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/testkit/smalldisk"
)

func TestDispatcher_LosesNothingOnAFullFileSystem(t *testing.T) {
	smalldisk.Run(t, 96<<20, losesNothingOnAFullFileSystem)
}

func losesNothingOnAFullFileSystem(t *testing.T, disk smalldisk.Disk) {
	t.Helper()
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
	s := startIn(t, filepath.Join(disk.Dir, "data"), nil)
	s.one(r)
	s.send("team-a", 400)
	s.eventually("requests are in flight", func() bool { _, total := r.distinct(); return total >= 16 })

	disk.Fill(t)
	close(hold)
	s.eventually("events are refused", func() bool { return s.d.Accepting() != nil })
	if _, err := s.log.Append(t.Context(), "team-a", [][]byte{make([]byte, 100)}); !errors.Is(err, eventlog.ErrFull) && !errors.Is(err, eventlog.ErrUnavailable) {
		t.Errorf("appended an event to a full log: %v", err)
	}

	disk.Empty(t)
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
