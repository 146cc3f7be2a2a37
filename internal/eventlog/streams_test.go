// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"log/slog"
	"math"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// opened is a log on a fresh directory that ends with the test, and the size of its file system.
func opened(t *testing.T, o Options) (l *Log, disk int64) {
	t.Helper()
	o.Dir, o.Logger = t.TempDir(), slog.New(slog.DiscardHandler)
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	var fs syscall.Statfs_t
	if err := syscall.Statfs(o.Dir, &fs); err != nil {
		t.Fatal(err)
	}
	return l, int64(fs.Blocks) * fs.Bsize
}

// configOf is how the engine has a stream.
func configOf(t *testing.T, l *Log, s jetstream.Stream) jetstream.StreamConfig {
	t.Helper()
	info, err := l.info(t.Context(), s, "look")
	if err != nil {
		t.Fatal(err)
	}
	return info.Config
}

func TestStreams_LeaveRoomForOutcomes(t *testing.T) {
	tests := map[string]struct {
		maxBytes int64
		want     func(disk int64) float64
	}{
		"without a limit":                        {0, func(disk int64) float64 { return 0.8 * float64(disk) }},
		"with a limit that the disk cannot hold": {math.MaxInt64, func(disk int64) float64 { return 0.8 * float64(disk) }},
		"with a limit that fits":                 {64 << 20, func(int64) float64 { return 64 << 20 }},
		"with a limit that would take it nearly": {-1, func(disk int64) float64 { return 0.8 * float64(disk) }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.maxBytes < 0 {
				_, disk := opened(t, Options{})
				tc.maxBytes = disk * 9 / 10
			}
			l, disk := opened(t, Options{MaxBytes: tc.maxBytes})
			limit := float64(l.MaxBytes())
			if want := tc.want(disk); math.Abs(limit-want) > 1 {
				t.Errorf("all streams may take %v bytes of a disk of %d, want %v", limit, disk, want)
			}
			if got := l.engine.server.JetStreamConfig().MaxStore; float64(got) != limit {
				t.Errorf("the engine takes %d bytes, want %v", got, limit)
			}
			events := configOf(t, l, l.events)
			if math.Abs(float64(events.MaxBytes)-0.6*limit) > 1 {
				t.Errorf("events may take %d bytes of %v, want 60 %%", events.MaxBytes, limit)
			}
		})
	}
}

func TestStreams_AreBoundedByDefault(t *testing.T) {
	const none = -1
	type bounds struct {
		age                 time.Duration
		bytes, number, each int64
		full                jetstream.DiscardPolicy
	}
	l, _ := opened(t, Options{})
	events := configOf(t, l, l.events).MaxBytes // which TestStreams_LeaveRoomForOutcomes looks at
	for stream, want := range map[jetstream.Stream]bounds{
		l.events:      {0, events, none, none, jetstream.DiscardNew},
		l.waiting:     {0, none, none, none, jetstream.DiscardOld},
		l.deadLetters: {30 * 24 * time.Hour, none, none, none, jetstream.DiscardOld},
		l.attempts:    {0, none, none, none, jetstream.DiscardOld},
		l.keys:        {24 * time.Hour, none, 100_000, 1, jetstream.DiscardOld},
		l.state:       {0, none, none, 1, jetstream.DiscardOld},
		l.objects:     {0, none, none, 1, jetstream.DiscardOld},
	} {
		c := configOf(t, l, stream)
		if got := (bounds{c.MaxAge, c.MaxBytes, c.MaxMsgs, c.MaxMsgsPerSubject, c.Discard}); got != want {
			t.Errorf("%s: got %+v, want %+v", c.Name, got, want)
		}
	}
}

func TestStreams_KeepDeadLettersAsConfigured(t *testing.T) {
	tests := map[string]struct {
		options   Options
		wantAge   time.Duration
		wantBytes int64
	}{
		"for as long as configured": {Options{DeadLetterAge: time.Hour}, time.Hour, -1},
		"as many as configured":     {Options{DeadLetterBytes: 1 << 20}, 30 * 24 * time.Hour, 1 << 20},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l, _ := opened(t, tc.options)
			c := configOf(t, l, l.deadLetters)
			if c.MaxAge != tc.wantAge || c.MaxBytes != tc.wantBytes || c.Discard != jetstream.DiscardOld {
				t.Errorf("dead letters are kept for %s and %d bytes, discarding %s, want %s and %d, the newest",
					c.MaxAge, c.MaxBytes, c.Discard, tc.wantAge, tc.wantBytes)
			}
		})
	}
}
