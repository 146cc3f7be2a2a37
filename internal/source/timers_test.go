// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"fmt"
	"testing"
	"time"
)

func TestTimers_KeepOneOfATakerAndAnObject(t *testing.T) {
	var ts timers
	begun := time.Now()
	at := func(minute int) time.Time { return begun.Add(time.Duration(minute) * time.Minute) }
	shoes, socks := timerKey{"shoes", "all"}, timerKey{"socks", "all"}
	for i := range 100 {
		ts.add(timer{at(10), shoes}) // it changes, and waits for the same time
		ts.add(timer{at(20 + i), socks})
	}
	if n := len(ts.heap); n != 2 {
		t.Errorf("there are %d timers, want one of each", n)
	}
	if _, ok := ts.take(at(9)); ok {
		t.Error("one is taken before it is due")
	}
	ts.add(timer{at(5), socks}) // which has to be earlier
	for _, want := range []timer{{at(5), socks}, {at(10), shoes}, {at(20), socks}} {
		if got, ok := ts.take(at(20)); !ok || got != want {
			t.Errorf("%+v, %t is taken, want %+v", got, ok, want)
		}
	}
	if len(ts.set) != 0 || len(ts.heap) != 0 {
		t.Errorf("%v and %v stay", ts.set, ts.heap)
	}
	ts.add(timer{at(30), shoes})
	if due, ok := ts.next(); !ok || !due.Equal(at(30)) {
		t.Errorf("the next is due at %v, %t", due, ok)
	}
}

func TestTimers_LetGoOfThoseThatNobodyAwaits(t *testing.T) {
	var ts timers
	begun := time.Now()
	awaited := func(key timerKey) bool { return key.taker == "stays" }
	for i := range 100_000 {
		taker := "gone"
		if i%100 == 0 {
			taker = "stays"
		}
		ts.prune(awaited)
		ts.add(timer{begun.Add(time.Duration(100_000-i) * time.Second), timerKey{fmt.Sprint(i), taker}})
	}
	if n := len(ts.heap); n > 3*minPruned || len(ts.set) != n {
		t.Errorf("there are %d timers, and %d are set, of which 1,000 are awaited", n, len(ts.set))
	}
	last, stay := begun, 0
	for {
		next, ok := ts.take(begun.Add(100_001 * time.Second))
		if !ok {
			break
		}
		if next.due.Before(last) {
			t.Fatalf("the timer of %v is taken after one that is due later", next.timerKey)
		}
		if last = next.due; next.taker == "stays" {
			stay++
		}
	}
	if stay != 1_000 {
		t.Errorf("%d of the timers that are awaited are taken, want 1,000", stay)
	}
}
