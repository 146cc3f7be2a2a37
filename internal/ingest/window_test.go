// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/posthorn-dev/posthorn/internal/event"
)

func testDigest(id string) digest {
	return digestOf(&event.Event{Namespace: "team-a", Source: "/shop", ID: id})
}

// remember stores an event now and reports whether it was new.
func remember(w *window, id string) bool {
	c, _ := w.claim([]digest{testDigest(id)}, time.Now())
	w.settle(c, time.Now(), []uint64{w.last + 1}, false)
	return len(c.mine) == 1
}

func TestWindow_ForgetsAfterItsSpan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(10*time.Minute, 10, newMetrics(nil))
		for _, step := range []struct {
			wait    time.Duration
			wantNew bool
		}{{0, true}, {0, false}, {10 * time.Minute, false}, {time.Second, true}} {
			time.Sleep(step.wait)
			if got := remember(w, "1"); got != step.wantNew {
				t.Errorf("%s later: new %t, want %t", step.wait, got, step.wantNew)
			}
		}
	})
}

func TestWindow_ForgetsTheOldestBeyondItsBoundAndCountsIt(t *testing.T) {
	t.Parallel()
	m := newMetrics(nil)
	w := newWindow(10*time.Minute, 3, m)
	for i := range 5 {
		remember(w, fmt.Sprint(i))
	}
	for i, want := range []bool{false, false, true, true, true} {
		if got := w.has(testDigest(fmt.Sprint(i))); got != want {
			t.Errorf("event %d: remembered %t, want %t", i, got, want)
		}
	}
	if got := testutil.ToFloat64(m.evictions); got != 2 {
		t.Errorf("%v evictions counted, want 2", got)
	}
	if got := testutil.ToFloat64(m.windowEntries); got != 3 {
		t.Errorf("%v entries shown, want 3", got)
	}
}

func TestWindow_ClaimThatFailedIsFreeAgain(t *testing.T) {
	t.Parallel()
	w := newWindow(10*time.Minute, 3, newMetrics(nil))
	c, _ := w.claim([]digest{testDigest("1"), testDigest("2")}, time.Now())
	w.settle(c, time.Now(), []uint64{0, 1}, false)
	if !remember(w, "1") || remember(w, "2") {
		t.Error("want event 1 to be new and event 2 to be known")
	}
	if len(w.flights) != 0 {
		t.Errorf("%d flights are left", len(w.flights))
	}
}

func TestWindow_LetsNothingBeClaimedBeforeEveryDoubtIsResolved(t *testing.T) {
	t.Parallel()
	w := newWindow(10*time.Minute, 3, newMetrics(nil))
	remember(w, "1")
	early, _ := w.claim([]digest{testDigest("2")}, time.Now())
	remember(w, "3")
	late, _ := w.claim([]digest{testDigest("4")}, time.Now())
	w.settle(late, time.Now(), nil, true)
	first := w.doubted()
	w.settle(early, time.Now(), nil, true) // while the log is read for the first doubt
	both := w.doubted()
	if first != (doubt{after: 2, requests: 1}) || both != (doubt{after: 1, requests: 2}) {
		t.Errorf("doubts %+v and %+v, want those behind 2 and 1", first, both)
	}
	for _, step := range []struct {
		resolved doubt
		want     bool
	}{{first, false}, {both, true}} {
		w.resolved(step.resolved, 5)
		c, ok := w.claim([]digest{testDigest("5")}, time.Now())
		if ok != step.want {
			t.Errorf("with %+v resolved: claimed %t, want %t", step.resolved, ok, step.want)
		}
		if ok && c.after != 5 {
			t.Errorf("the next doubt would be about what is behind %d, want 5", c.after)
		}
	}
}

func TestHandler_ReadsNothingWhenTheDoubtIsGone(t *testing.T) {
	t.Parallel()
	h := &Handler{window: newWindow(10*time.Minute, 3, newMetrics(nil))}
	if err := h.resolve(t.Context()); err != nil { // it has no log to read
		t.Error(err)
	}
}

func TestDigestOf_KeepsPartsApart(t *testing.T) {
	t.Parallel()
	a := digestOf(&event.Event{Namespace: "team", Source: "a/b", ID: "c"})
	for _, other := range []*event.Event{
		{Namespace: "team", Source: "a/", ID: "bc"},
		{Namespace: "teama", Source: "/b", ID: "c"},
		{Namespace: "team", Source: "a/b", ID: "c2"},
	} {
		if digestOf(other) == a {
			t.Errorf("%+v has the same digest", other)
		}
	}
}
