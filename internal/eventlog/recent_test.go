// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

func TestLog_SettlesWhatBecameOfEventsThatItDidNotConfirm(t *testing.T) {
	// With a sync for each event the engine takes much longer to store them than it takes to send them.
	l := open(t, eventlog.Options{Dir: t.TempDir(), SyncAlways: true})
	records := make([][]byte, 300)
	for i := range records {
		records[i] = make([]byte, 256)
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Append(impatient, "team-a", records); !errors.Is(err, eventlog.ErrUnavailable) {
		t.Fatalf("error %v, want ErrUnavailable", err)
	}
	n := 0
	last, err := l.RecentEvents(t.Context(), 0, time.Time{}, 1_000_000, func(eventlog.Message) { n++ })
	if err != nil {
		t.Fatal(err)
	}
	if n != len(records) || last != uint64(len(records)) {
		t.Errorf("%d events up to %d, want all of %d: the others came later", n, last, len(records))
	}
	if seqs, err := l.Append(t.Context(), "team-a", records[:1]); err != nil || seqs[0] != last+1 {
		t.Errorf("the next event got %v (%v), want %d: something else was stored", seqs, err, last+1)
	}
}

// TestLog_IsFullOnlyWhenNothingElseIsWrong has an event that is too long for the engine behind one that finds no
// room: what became of the former, ErrFull must not claim to know.
func TestLog_IsFullOnlyWhenNothingElseIsWrong(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir(), MaxBytes: 1 << 20})
	big, huge := make([]byte, 900<<10), make([]byte, 5<<20)
	if _, err := l.Append(t.Context(), "team-a", [][]byte{big}); !errors.Is(err, eventlog.ErrFull) {
		t.Fatalf("error %v, want ErrFull", err)
	}
	for name, records := range map[string][][]byte{"last": {big, huge}, "first": {huge, big}} {
		if _, err := l.Append(t.Context(), "team-a", records); err == nil || errors.Is(err, eventlog.ErrFull) {
			t.Errorf("with the other one %s: error %v, want another than ErrFull", name, err)
		}
	}
}
