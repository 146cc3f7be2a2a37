// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func TestLog_BoundsItsStreamsByDefault(t *testing.T) {
	l, err := Open(t.Context(), Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	type bounds struct {
		age          time.Duration
		number, each int64
		full         jetstream.DiscardPolicy
	}
	for stream, want := range map[jetstream.Stream]bounds{
		l.events:      {0, -1, -1, jetstream.DiscardNew},
		l.waiting:     {0, -1, -1, jetstream.DiscardOld},
		l.deadLetters: {30 * 24 * time.Hour, -1, -1, jetstream.DiscardOld},
		l.attempts:    {0, -1, -1, jetstream.DiscardOld},
		l.keys:        {24 * time.Hour, 100_000, 1, jetstream.DiscardOld},
		l.state:       {0, -1, 1, jetstream.DiscardOld},
	} {
		info, err := stream.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c := info.Config
		if got := (bounds{c.MaxAge, c.MaxMsgs, c.MaxMsgsPerSubject, c.Discard}); got != want {
			t.Errorf("%s: got %+v, want %+v", c.Name, got, want)
		}
	}
}
