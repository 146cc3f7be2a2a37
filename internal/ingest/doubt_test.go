// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/ingest"
)

// unsureLog is the real log, whose first append goes wrong and which counts how often it is read.
type unsureLog struct {
	ingest.Log
	// first is the first append; it is nil afterwards.
	first atomic.Pointer[appending]
	// unreadable has reading fail.
	unreadable atomic.Bool
	reads      atomic.Int64
	// after is the sequence behind which it was read last.
	after atomic.Uint64
}

// appending is one append to a log.
type appending func(ctx context.Context, l ingest.Log, namespace string, records [][]byte) ([]uint64, error)

func (l *unsureLog) Append(ctx context.Context, namespace string, records [][]byte) ([]uint64, error) {
	if first := l.first.Swap(nil); first != nil {
		return (*first)(ctx, l.Log, namespace, records)
	}
	return l.Log.Append(ctx, namespace, records)
}

func (l *unsureLog) RecentEvents(
	ctx context.Context, after uint64, since time.Time, most int, handle func(eventlog.Message),
) (uint64, error) {
	l.reads.Add(1)
	l.after.Store(after)
	if l.unreadable.Load() {
		return 0, eventlog.ErrUnavailable
	}
	return l.Log.RecentEvents(ctx, after, since, most, handle)
}

// Ways in which an append goes wrong.
var (
	// stores stores the events and does not say so.
	stores appending = func(ctx context.Context, l ingest.Log, namespace string, records [][]byte) ([]uint64, error) {
		if _, err := l.Append(ctx, namespace, records); err != nil {
			return nil, err
		}
		return make([]uint64, len(records)), eventlog.ErrUnavailable
	}
	// storesLater does not wait for what the engine does with the events.
	storesLater appending = func(ctx context.Context, l ingest.Log, namespace string, records [][]byte) ([]uint64, error) {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := l.Append(ctx, namespace, records); err != nil {
			return make([]uint64, len(records)), err
		}
		return make([]uint64, len(records)), eventlog.ErrUnavailable
	}
	// storesNothing loses the events.
	storesNothing appending = func(_ context.Context, _ ingest.Log, _ string, records [][]byte) ([]uint64, error) {
		return make([]uint64, len(records)), eventlog.ErrUnavailable
	}
	// full refuses the events.
	full appending = func(_ context.Context, _ ingest.Log, _ string, records [][]byte) ([]uint64, error) {
		return make([]uint64, len(records)), eventlog.ErrFull
	}
)

// newUnsure returns a handler on a log that holds one event, and whose next append is that one.
func newUnsure(t *testing.T, first appending) (*ingest.Handler, *unsureLog) {
	t.Helper()
	l := &unsureLog{Log: openLog(t, eventlog.Options{})}
	h := newHandler(t, ingest.Options{Log: l})
	send(t, h, request{body: orderPlaced("earlier")}).want(t, http.StatusAccepted)
	l.first.Store(&first)
	l.reads.Store(0)
	return h, l
}

func TestHandler_RepetitionOfWhatTheLogDidNotConfirmIsStoredOnce(t *testing.T) {
	requests := map[string]request{
		"by source and id":      {body: orderPlaced("1")},
		"by Idempotency-Key":    {path: path + "/t", contentType: plain, body: "{}", header: map[string]string{ingest.HeaderKey: "k"}},
		"in a batch":            {contentType: batch, body: "[" + orderPlaced("1") + "]"},
		"in a batch with a key": {contentType: batch, body: "[" + orderPlaced("1") + "]", header: map[string]string{ingest.HeaderKey: "k"}},
	}
	cases := map[string]struct {
		first      appending
		wantStored bool
	}{
		"it was stored":     {stores, true},
		"it came later":     {storesLater, true},
		"it was not stored": {storesNothing, false},
	}
	for how, r := range requests {
		for name, tc := range cases {
			t.Run(how+", "+name, func(t *testing.T) {
				h, l := newUnsure(t, tc.first)
				if got := send(t, h, r).want(t, http.StatusServiceUnavailable); got.header.Get("Retry-After") == "" {
					t.Error("the answer does not say when to send again")
				}
				got := send(t, h, r).want(t, http.StatusAccepted)
				if got.replayed() != tc.wantStored || got.Accepted+got.Duplicates != 1 || (got.Duplicates == 1) != tc.wantStored {
					t.Errorf("accepted %d, duplicates %d, replayed %t", got.Accepted, got.Duplicates, got.replayed())
				}
				if !send(t, h, r).want(t, http.StatusAccepted).replayed() {
					t.Error("the third request is not a repetition")
				}
				if n := len(storedEvents(t, l.Log)); n != 2 {
					t.Errorf("%d events stored, want the earlier one and 1", n)
				}
				if n, after := l.reads.Load(), l.after.Load(); n != 1 || after != 1 {
					t.Errorf("the log was read %d times, from %d on, want once, behind the earlier event", n, after)
				}
			})
		}
	}
}

func TestHandler_FullLogLeavesNoDoubt(t *testing.T) {
	h, l := newUnsure(t, full)
	r := request{body: orderPlaced("1")}
	send(t, h, r).want(t, http.StatusServiceUnavailable)
	if send(t, h, r).want(t, http.StatusAccepted).replayed() {
		t.Error("an event that was refused is said to be stored")
	}
	if n := l.reads.Load(); n != 0 {
		t.Errorf("the log was read %d times, want 0", n)
	}
}

func TestHandler_TakesNothingWhileTheLogCannotBeRead(t *testing.T) {
	h, l := newUnsure(t, stores)
	l.unreadable.Store(true)
	for _, id := range []string{"1", "1", "2"} {
		got := send(t, h, request{body: orderPlaced(id)}).want(t, http.StatusServiceUnavailable)
		if got.header.Get("Retry-After") == "" {
			t.Error("the answer does not say when to send again")
		}
	}
	l.unreadable.Store(false)
	for id, want := range map[string]bool{"1": true, "2": false, "earlier": true} {
		if got := send(t, h, request{body: orderPlaced(id)}).want(t, http.StatusAccepted); got.replayed() != want {
			t.Errorf("event %s: replayed %t, want %t", id, got.replayed(), want)
		}
	}
	if n := len(storedEvents(t, l.Log)); n != 3 {
		t.Errorf("%d events stored, want 3", n)
	}
}

func TestHandler_ConcurrentRequestsResolveADoubtTogether(t *testing.T) {
	for name, first := range map[string]appending{"stored": stores, "not stored": storesNothing} {
		t.Run(name, func(t *testing.T) {
			h, l := newUnsure(t, first)
			send(t, h, request{body: orderPlaced("1")}).want(t, http.StatusServiceUnavailable)
			var all sync.WaitGroup
			for range 16 {
				all.Go(func() {
					if got := send(t, h, request{body: orderPlaced("1")}); got.status != http.StatusAccepted {
						t.Errorf("status %d: %s", got.status, got.refusal.Detail)
					}
				})
			}
			all.Wait()
			if n := len(storedEvents(t, l.Log)); n != 2 {
				t.Errorf("%d events stored, want the earlier one and 1", n)
			}
			if n := l.reads.Load(); n != 1 {
				t.Errorf("the log was read %d times, want once", n)
			}
		})
	}
}
