// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// restored starts a system anew on a log that is made from a backup.
func (s *system) restored(archive []byte) {
	s.t.Helper()
	s.dir = s.t.TempDir()
	o := eventlog.Options{Dir: s.dir, Logger: slog.New(slog.DiscardHandler)}
	if err := eventlog.Restore(s.t.Context(), o, bytes.NewReader(archive)); err != nil {
		s.t.Fatal(err)
	}
	s.up()
}

func TestBackup_WhileItRunsRestoresToAnEvenBalance(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n%3 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	s := start(t, nil)
	s.one(r)
	s.subs[0].Retry.Delays = s.subs[0].Retry.Delays[:1] // many end as dead letters
	before := 0
	var archives [][]byte
	for range 3 {
		s.send("team-a", 500)
		before = s.accepted
		var archive bytes.Buffer
		s.eventually("a backup is made", func() bool {
			archive.Reset()
			err := s.d.Backup(t.Context(), &archive)
			if err != nil && !errors.Is(err, errBusy) {
				t.Fatal(err)
			}
			return err == nil
		})
		archives = append(archives, archive.Bytes())
		s.send("team-a", 100)
	}
	s.down()
	for i, archive := range archives {
		s.restored(archive)
		least := int64(before - 600*(len(archives)-1-i))
		s.eventually("everything ended", func() bool {
			a := s.d.Account()
			return a.Complete && a.Memory+a.Stored == 0 && a.Matched >= least && a.Delivered+a.DeadLettered == a.Matched
		})
		letters := 0
		if err := s.log.ScanDeadLetters(t.Context(), 1, func(eventlog.Message) { letters++ }); err != nil {
			t.Fatal(err)
		}
		if a := s.d.Account(); int64(letters) != a.DeadLettered {
			t.Errorf("%d dead letters are stored and %d counted", letters, a.DeadLettered)
		}
		s.down()
	}
	s.up()
}

func TestBackup_LeavesWhatWasReplacedUntilItIsMade(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	s.one(r)
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = true })
	s.send("team-a", 20)
	s.stored(20)
	s.eventually("the waiting deliveries of earlier runs are read", func() bool { return s.d.holdRemovals() })
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = false })
	s.delivered(20)
	left := func() int {
		n := 0
		for seq := range uint64(20) {
			if _, err := s.log.Waiting(t.Context(), seq+1); err == nil {
				n++
			}
		}
		return n
	}
	if n := left(); n != 20 {
		t.Errorf("%d of 20 deliveries are left during a backup", n)
	}
	s.d.releaseRemovals()
	s.eventually("they are removed afterwards", func() bool { return left() == 0 })
}

func TestBackup_EndsWithTheDispatcher(t *testing.T) {
	s := start(t, nil)
	s.load()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.eventually("the backup is broken off", func() bool {
		err := s.d.Backup(ctx, io.Discard)
		return err != nil && !errors.Is(err, errBusy)
	})
}
