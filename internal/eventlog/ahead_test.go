// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"log/slog"
	"testing"
	"time"
)

// received waits until the engine sends nothing more, and returns how many bytes came since then.
func (l *Log) received(t *testing.T, since uint64) uint64 {
	t.Helper()
	const looks = 10
	var last uint64
	for same := 0; same < looks; {
		if now := l.core.Conn().Stats().InBytes; now != last {
			last, same = now, 0
		} else {
			same++
		}
		time.Sleep(20 * time.Millisecond)
	}
	return last - since
}

func TestLog_AsksForNoMoreThanItCanHold(t *testing.T) {
	const events, size = 72, 1 << 20
	l, err := Open(t.Context(), Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	for range events {
		if _, err := l.Append(t.Context(), "team-a", [][]byte{make([]byte, size)}); err != nil {
			t.Fatal(err)
		}
	}
	for name, read := range map[string]func(handle func(Message)) (stop func(), err error){
		"while events are read": func(handle func(Message)) (func(), error) { return l.ReadEvents(t.Context(), 1, handle) },
		"while a stream is scanned": func(handle func(Message)) (func(), error) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				if err := l.scan(t.Context(), l.events, "", 1, handle); err != nil {
					t.Error(err)
				}
			}()
			return func() { <-done }, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := l.core.Conn().Stats().InBytes
			seen, gate := make(chan uint64, events), make(chan struct{})
			stop, err := read(func(m Message) {
				<-gate
				seen <- m.Seq
			})
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
			if got := l.received(t, before); got > 40<<20 {
				t.Errorf("%d MiB came while nothing was taken", got>>20)
			}
			close(gate)
			for want := uint64(1); want <= events; want++ {
				if got := <-seen; got != want {
					t.Fatalf("got event %d, want %d", got, want)
				}
			}
		})
	}
}
