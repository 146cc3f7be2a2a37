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
	digests := []digest{testDigest(id)}
	c := w.claim(digests, time.Now())
	w.settle(c, digests, time.Now(), func(int) bool { return true })
	return len(c.mine) == 1
}

func TestWindow_ForgetsAfterItsSpan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(10*time.Minute, 10, newMetrics(nil))
		for _, step := range []struct {
			wait    time.Duration
			wantNew bool
		}{{0, true}, {0, false}, {10 * time.Minute, false}, {time.Nanosecond, true}} {
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
	digests := []digest{testDigest("1"), testDigest("2")}
	c := w.claim(digests, time.Now())
	w.settle(c, digests, time.Now(), func(i int) bool { return i == 1 })
	if !remember(w, "1") || remember(w, "2") {
		t.Error("want event 1 to be new and event 2 to be known")
	}
	if len(w.flights) != 0 {
		t.Errorf("%d flights are left", len(w.flights))
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
