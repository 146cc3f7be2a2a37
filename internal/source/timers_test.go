// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
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
