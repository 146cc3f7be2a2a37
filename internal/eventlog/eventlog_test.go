// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// TestMain looks for goroutines that are left. Those of a store are the engine's own: now and then one that was
// opened while the engine was being shut down, as by a restore that is broken off, is not closed by it.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.(*fileStore).flushStreamStateLoop"),
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"))
}

// open starts a log in dir that ends with the test.
func open(t *testing.T, o eventlog.Options) *eventlog.Log {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	l, err := eventlog.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
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

func TestLog_ReadsEventsInOrderFromASequence(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	var records [][]byte
	for i := range 5 {
		records = append(records, fmt.Appendf(nil, "event %d", i))
	}
	seqs, err := l.Append(t.Context(), "team-a", records)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint64{1, 2, 3, 4, 5}, seqs); diff != "" {
		t.Error(diff)
	}
	got := make(chan eventlog.Message, 5)
	stop, err := l.ReadEvents(t.Context(), 3, func(m eventlog.Message) { got <- m })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for want := uint64(3); want <= 5; want++ {
		m := <-got
		if m.Seq != want || !bytes.Equal(m.Data, records[want-1]) {
			t.Errorf("read %d %q, want %d %q", m.Seq, m.Data, want, records[want-1])
		}
	}
}

func TestLog_RefusesEventsWhenFullAndKeepsWhatItHas(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir(), MaxBytes: 1 << 20})
	record := make([]byte, 64<<10)
	var err error
	stored := 0
	for err == nil && stored < 100 {
		if _, err = l.Append(t.Context(), "team-a", [][]byte{record}); err == nil {
			stored++
		}
	}
	if !errors.Is(err, eventlog.ErrFull) {
		t.Fatalf("appended %d records, error %v, want ErrFull", stored, err)
	}
	if first, err := l.FirstEvent(t.Context()); err != nil || first != 1 {
		t.Errorf("first event is %d (%v), want 1: nothing is evicted", first, err)
	}
	if _, err := l.StoreWaiting(eventlog.Place{Namespace: "team-a", Subscription: "s", EndpointNamespace: "team-a", EndpointName: "e"}, record).Wait(t.Context()); err != nil {
		t.Errorf("no room for an outcome behind full events: %v", err)
	}
	if err := l.TrimEvents(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), "team-a", [][]byte{record}); err != nil {
		t.Errorf("append after trimming: %v", err)
	}
}

func TestLog_FencesAFlushBehindAnotherOwners(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	first, err := l.AppendFlush(t.Context(), 0, 0, []byte("a"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.AppendFlush(t.Context(), 0, first, []byte("b")); err != nil {
		t.Fatal(err)
	}
	if _, err := l.AppendFlush(t.Context(), 0, first, []byte("c")); !errors.Is(err, eventlog.ErrFenced) {
		t.Errorf("error %v, want ErrFenced", err)
	}
	if _, err := l.AppendFlush(t.Context(), 1, 0, []byte("d")); err != nil {
		t.Errorf("another shard's flush: %v", err)
	}
	last, err := l.LastFlush(t.Context(), 0)
	if err != nil || string(last.Data) != "b" {
		t.Errorf("last flush %q (%v), want b", last.Data, err)
	}
}

func TestLog_KeepsWaitingDeliveriesUntilTheyAreRemoved(t *testing.T) {
	dir := t.TempDir()
	l := open(t, eventlog.Options{Dir: dir})
	place := eventlog.Place{Namespace: "a", Subscription: "s.with.dots", EndpointNamespace: "b", EndpointName: "e"}
	var seqs []uint64
	for i := range 3 {
		seq, err := l.StoreWaiting(place, fmt.Appendf(nil, "%d", i)).Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, seq)
	}
	for range 2 { // the second finds nothing to remove
		if err := l.RemoveWaiting(t.Context(), seqs[1]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Waiting(t.Context(), seqs[1]); !errors.Is(err, eventlog.ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
	l.Close()

	l = open(t, eventlog.Options{Dir: dir})
	var got []string
	if err := l.ScanWaiting(t.Context(), 1, 3, func(m eventlog.Message) { got = append(got, string(m.Data)) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"0", "2"}, got); diff != "" {
		t.Error(diff)
	}
	if m, err := l.Waiting(t.Context(), seqs[2]); err != nil || string(m.Data) != "2" {
		t.Errorf("read %q (%v), want 2", m.Data, err)
	}
}

func TestLog_ScansLargeStreamsToTheirEnd(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	records := make([][]byte, 5_000)
	for i := range records {
		records[i] = []byte{byte(i)}
	}
	if _, err := l.Append(t.Context(), "a", records); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		after uint64
		since time.Time
		want  int
	}{
		"the newest":             {0, time.Now().Add(-time.Hour), 4_500},
		"those behind an event":  {4_000, time.Now().Add(-time.Hour), 1_000},
		"those behind the last":  {5_000, time.Now().Add(-time.Hour), 0},
		"those of the next hour": {0, time.Now().Add(time.Hour), 0},
	} {
		n := 0
		last, err := l.RecentEvents(t.Context(), tc.after, tc.since, 4_500, func(eventlog.Message) { n++ })
		if err != nil {
			t.Fatal(err)
		}
		if n != tc.want || last != 5_000 {
			t.Errorf("%s: scanned %d events up to %d, want %d up to 5,000", name, n, last, tc.want)
		}
	}
}

func TestLog_StateKeepsTheLastValueOfAKey(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	if got, err := l.State(t.Context()); err != nil || len(got) != 0 {
		t.Fatalf("state %v (%v), want none", got, err)
	}
	a := eventlog.StateKey{Kind: "position", Namespace: "team-a", Name: "with.dots"}
	b := eventlog.StateKey{Kind: "counters"}
	for _, v := range []string{"1", "2"} {
		if err := l.PutState(t.Context(), map[eventlog.StateKey][]byte{a: []byte(v), b: []byte("b" + v)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.RemoveState(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	got, err := l.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[eventlog.StateKey][]byte{a: []byte("2")}, got); diff != "" {
		t.Error(diff)
	}
}

func TestLog_StateTellsAllNamesApart(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	want := map[eventlog.StateKey][]byte{}
	for _, name := range []string{
		"a.b", "a_b", "a__b", "a._b", "a%5Fb", "a%b", "a%", "%", "_", ".", "a.b:8443", "[2001:db8::1]:443",
		"[fe80::1%eth 0]", "*", ">", "a.*.b", "*.>", "a\tb", "\u00fc",
	} {
		want[eventlog.StateKey{Kind: "host-circuit", Namespace: "team-a", Name: name}] = []byte(name)
	}
	if err := l.PutState(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	got, err := l.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for key := range want {
		if err := l.RemoveState(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		delete(want, key)
		if got, err := l.State(t.Context()); err != nil || len(got) != len(want) {
			t.Errorf("%d values are left without %q (%v), want %d", len(got), key.Name, err, len(want))
		}
	}
}

func TestStateKey_OfAnObjectIsThatOfEarlierBuilds(t *testing.T) {
	t.Parallel()
	for key, want := range map[eventlog.StateKey]string{
		{Kind: "counters"}: "counters",
		{Kind: "position", Namespace: "team-a", Name: "billing-2"}:                  "position.team-a.billing-2",
		{Kind: "position", Namespace: "team-a", Name: "with.dots"}:                  "position.team-a.with_dots",
		{Kind: "host-circuit", Namespace: "team-a", Name: "hooks.example.com:8443"}: "host-circuit.team-a.hooks_example_com:8443",
		{Kind: "host-circuit", Namespace: "team-a", Name: "[2001:db8::1]"}:          "host-circuit.team-a.[2001:db8::1]",
	} {
		if got := key.String(); got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
}

func TestLog_PagesFlushesAndDeadLetters(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	last := uint64(0)
	for i := range 10 {
		var err error
		if last, err = l.AppendFlush(t.Context(), 0, last, []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
		for _, ns := range []string{"a", "b"} {
			p := eventlog.Place{Namespace: ns, Subscription: "s", EndpointNamespace: ns, EndpointName: "e"}
			if _, err := l.StoreDeadLetter(p, []byte(ns)).Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	flushes, err := l.Flushes(t.Context(), 4, 6)
	if err != nil || len(flushes) != 3 || flushes[0].Seq != 4 {
		t.Errorf("flushes %v (%v), want 4 to 6", flushes, err)
	}
	dead, err := l.DeadLettersFrom(t.Context(), "b", 1, 100)
	if err != nil || len(dead) != 10 || string(dead[0].Data) != "b" {
		t.Errorf("%d dead letters of b (%v), want 10", len(dead), err)
	}
	if dead, err := l.DeadLettersFrom(t.Context(), "c", 1, 100); err != nil || len(dead) != 0 {
		t.Errorf("%d dead letters of c (%v), want none", len(dead), err)
	}
	if at, err := l.FlushAt(t.Context(), time.Now().Add(time.Hour)); err != nil || at != last+1 {
		t.Errorf("flush of the future is %d (%v), want %d", at, err, last+1)
	}
	if err := l.TrimAttempts(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	if first, _, err := l.FlushRange(t.Context()); err != nil || first != 5 {
		t.Errorf("first flush %d (%v), want 5", first, err)
	}
}

func TestLog_BlockedReaderHoldsBackAndLosesNothing(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	const n = 6_000
	records := make([][]byte, n)
	for i := range records {
		records[i] = make([]byte, 512)
	}
	if _, err := l.Append(t.Context(), "a", records); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	gate, seen := make(chan struct{}), make(chan uint64, n)
	stop, err := l.ReadEvents(ctx, 1, func(m eventlog.Message) {
		if m.Seq == 100 {
			<-gate
		}
		seen <- m.Seq
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for want := uint64(1); want < 100; want++ {
		if got := <-seen; got != want {
			t.Fatalf("read %d, want %d", got, want)
		}
	}
	close(gate)
	for want := uint64(100); want <= n; want++ {
		if got := <-seen; got != want {
			t.Fatalf("read %d, want %d", got, want)
		}
	}
}

func TestLog_DropsTheOldestDeadLettersAtTheirLimit(t *testing.T) {
	l := open(t, eventlog.Options{Dir: t.TempDir(), DeadLetterBytes: 8 << 10})
	p := eventlog.Place{Namespace: "a", Subscription: "s", EndpointNamespace: "a", EndpointName: "e"}
	for range 20 {
		if _, err := l.StoreDeadLetter(p, make([]byte, 1<<10)).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	dead, err := l.DeadLettersFrom(t.Context(), "a", 1, 100)
	if err != nil || len(dead) == 0 || len(dead) > 8 || dead[len(dead)-1].Seq != 20 {
		t.Errorf("%d dead letters (%v), want the newest 8 KiB", len(dead), err)
	}
}
