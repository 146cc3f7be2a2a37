// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"strings"
	"testing"
	"time"
)

func TestLane_StoredAndNewDeliveriesTakeTurns(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fresh, stored, later int
		want                 string
	}{
		"as many of both":        {3, 3, 0, "fresh stored fresh stored fresh stored"},
		"more new ones":          {4, 2, 0, "fresh stored fresh stored fresh fresh"},
		"more stored ones":       {2, 4, 0, "fresh stored fresh stored stored stored"},
		"new ones alone":         {2, 0, 0, "fresh fresh"},
		"stored ones alone":      {0, 2, 0, "stored stored"},
		"stored ones due later":  {3, 1, 2, "fresh stored fresh fresh"},
		"none but one due later": {0, 0, 1, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Now()
			l := &lane{}
			for range tc.fresh {
				l.queue.add(&task{lane: l})
			}
			for i := range tc.stored + tc.later {
				w := waiting{seq: uint64(i + 1)}
				if i >= tc.stored {
					w.due = now.Add(time.Hour).UnixMilli()
				}
				l.backlog.add(w)
			}
			var got []string
			for l.ready(now) {
				x := l.take(now)
				switch {
				case x.state != taskInFlight:
					t.Errorf("took a task in state %d, want it in flight", x.state)
				case x.waiting.seq != 0:
					got = append(got, "stored")
				default:
					got = append(got, "fresh")
				}
			}
			if order := strings.Join(got, " "); order != tc.want {
				t.Errorf("took %q, want %q", order, tc.want)
			}
		})
	}
}

func TestLane_StoredAndNewDeliveriesThatComeMeanwhileTakeTurns(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := &lane{}
	count := map[bool]int{}
	for i := range 100 {
		l.queue.add(&task{lane: l})
		l.backlog.add(waiting{seq: uint64(i + 1)})
		count[l.take(now).waiting.seq != 0]++
	}
	if count[true] != 50 || count[false] != 50 {
		t.Errorf("took %d stored and %d new ones, want 50 of each: neither starves", count[true], count[false])
	}
}
