// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// filled is a ledger of spans of 100 bytes, with messages of 10 bytes of the namespaces in turn.
func filled(n int, namespaces ...string) *ledger {
	l := newLedger(100 * ledgerSpans)
	for i := range n {
		l.add(uint64(i+1), namespaces[i%len(namespaces)], 10, time.Unix(int64(i), 0))
	}
	return l
}

// sums checks that a ledger's totals are those of its spans.
func (l *ledger) sums(t *testing.T) {
	t.Helper()
	totals, entries := map[string]holding{}, 0
	for _, s := range l.Spans {
		bytes := int64(0)
		for namespace, h := range s.Held {
			totals[namespace] = totals[namespace].plus(h)
			bytes += h.Bytes
			entries++
		}
		if bytes != s.bytes {
			t.Errorf("a span of %d bytes counts %d", bytes, s.bytes)
		}
	}
	if diff := cmp.Diff(totals, l.totals); diff != "" || entries != l.entries {
		t.Errorf("%d entries, want %d; totals: %s", l.entries, entries, diff)
	}
}

func TestLedger_DropsTheOldestOfOneNamespace(t *testing.T) {
	t.Parallel()
	l := filled(40, "a", "b")
	first := l.oldest("a")
	if first == nil || first.First != 1 || first.Last != 10 {
		t.Fatalf("oldest span of a is %+v, want 1 to 10", first)
	}
	if got, want := l.drop("a", first.Last), (holding{5, 50}); got != want {
		t.Errorf("dropped %+v, want %+v", got, want)
	}
	if next := l.oldest("a"); next == nil || next.First != 11 {
		t.Errorf("the oldest span of a is then %+v, want one from 11", next)
	}
	if got, want := l.of("b"), (holding{20, 200}); got != want {
		t.Errorf("b has %+v, want %+v", got, want)
	}
	if l.oldest("c") != nil || l.drop("c", 40) != (holding{}) {
		t.Error("a namespace without anything has something")
	}
	l.sums(t)
}

func TestLedger_CutsEverybodysOldest(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		below uint64
		want  holding
	}{
		"below its beginning":         {1, holding{20, 200}},
		"where a span begins":         {11, holding{15, 150}},
		"in the middle of a span":     {15, holding{13, 130}},
		"behind its end":              {100, holding{}},
		"just before its end":         {40, holding{1, 5}},
		"behind one message":          {2, holding{20, 195}},
		"where half of a span is cut": {6, holding{18, 175}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := filled(40, "a", "b")
			l.cut(tc.below)
			if got := l.of("a"); got != tc.want {
				t.Errorf("a has %+v, want %+v", got, tc.want)
			}
			l.sums(t)
		})
	}
}

func TestLedger_StaysSmallWithManyNamespaces(t *testing.T) {
	t.Parallel()
	const namespaces, each = 1_000, 30
	l := newLedger(100 * ledgerSpans)
	for i := range namespaces * each {
		l.add(uint64(i+1), fmt.Sprint("team-", i%namespaces), 10, time.Unix(0, 0))
	}
	if l.entries > ledgerEntries+namespaces {
		t.Errorf("%d entries, want %d at most", l.entries, ledgerEntries)
	}
	if got, want := l.of("team-7"), (holding{each, 10 * each}); got != want {
		t.Errorf("a namespace has %+v, want %+v", got, want)
	}
	l.sums(t)
}

func TestLedger_IsTheSameAfterARestart(t *testing.T) {
	t.Parallel()
	l := filled(40, "a", "b")
	l.drop("a", 10)
	var stored ledger
	if err := json.Unmarshal(encode(l), &stored); err != nil {
		t.Fatal(err)
	}
	restored, newer := newLedger(100*ledgerSpans), newLedger(100*ledgerSpans)
	restored.restore(&stored)
	if diff := cmp.Diff(l, restored, cmp.AllowUnexported(ledger{}, span{}), cmpopts.EquateApproxTime(0)); diff != "" {
		t.Error(diff)
	}
	newer.add(41, "b", 10, time.Unix(41, 0))
	restored.join(newer)
	if got, want := restored.of("b"), (holding{21, 210}); got != want || restored.Counted != 41 {
		t.Errorf("b has %+v up to %d, want %+v up to 41", got, restored.Counted, want)
	}
	restored.sums(t)
}
