// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/testkit/smalldisk"
)

func TestLog_GoesOnWhenAFullFileSystemHasRoomAgain(t *testing.T) {
	smalldisk.Run(t, 64<<20, goesOnWhenThereIsRoomAgain)
}

func goesOnWhenThereIsRoomAgain(t *testing.T, d smalldisk.Disk) {
	t.Helper()
	l := open(t, eventlog.Options{Dir: filepath.Join(d.Dir, "data")})
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

	d.Fill(t)
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

	d.Empty(t)
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

func TestOpen_WaitsForRoomOnAFullFileSystem(t *testing.T) {
	smalldisk.Run(t, 64<<20, waitsForRoom)
}

func waitsForRoom(t *testing.T, d smalldisk.Disk) {
	t.Helper()
	o := eventlog.Options{Dir: filepath.Join(d.Dir, "data"), Logger: slog.New(slog.DiscardHandler)}
	l, err := eventlog.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Append(t.Context(), "team-a", [][]byte{[]byte("event")})
	l.Close()
	if err != nil {
		t.Fatal(err)
	}
	d.Fill(t)
	brief, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if l, err := eventlog.Open(brief, o); !errors.Is(err, eventlog.ErrFull) {
		if l != nil {
			l.Close()
		}
		t.Fatalf("opened a log without room: %v", err)
	}
	room := time.AfterFunc(time.Second, func() { d.Empty(t) }) // it is waited for by then
	defer room.Stop()
	l = open(t, o)
	var found []string
	if _, err := l.RecentEvents(t.Context(), 0, time.Time{}, 10, func(m eventlog.Message) { found = append(found, string(m.Data)) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"event"}, found); diff != "" {
		t.Error(diff)
	}
}
