// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package deliverylog

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// placeIn is where the dead letters of a namespace belong.
func placeIn(namespace string) eventlog.Place {
	return eventlog.Place{Namespace: namespace, Subscription: "orders", EndpointNamespace: namespace, EndpointName: "billing"}
}

// bury stores dead letters of a namespace, of the events from, to and those between.
func bury(t *testing.T, log *eventlog.Log, namespace string, from, to int) {
	t.Helper()
	var acks []eventlog.Ack
	for n := from; n <= to; n++ {
		e := &event.Event{Namespace: namespace, ID: fmt.Sprintf("e%d", n), Source: "/shop", Type: "t", Data: []byte("{}")}
		s := delivery.Stored{
			EventSeq: uint64(n), Subscription: delivery.Name{Namespace: namespace, Name: "orders"},
			DeadLetter: delivery.DeadExpired, DeadAt: time.Now().Add(time.Millisecond), Event: e.AppendRecord(nil),
		}
		acks = append(acks, log.StoreDeadLetter(placeIn(namespace), s.Append(nil)))
	}
	for _, a := range acks {
		if _, err := a.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// downFrom are the ids of the events from, to and those between, newest first.
func downFrom(from, to int) (ids []string) {
	for n := from; n >= to; n-- {
		ids = append(ids, fmt.Sprintf("e%d", n))
	}
	return ids
}

// pages reads the dead letters that a query asks for, page by page.
func pages(t *testing.T, l *Log, q Query) (all []Page) {
	t.Helper()
	for {
		page, err := l.DeadLetters(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page)
		if q.Cursor = page.Next; q.Cursor == "" {
			return all
		}
	}
}

// idsOf are the events of all pages.
func idsOf(all []Page) (out []string) {
	for _, p := range all {
		out = append(out, ids(p)...)
	}
	return out
}

func TestDeadLetters_FindsThemAllWhateverLiesBetween(t *testing.T) {
	tests := map[string]func(t *testing.T, log *eventlog.Log) (last int){
		"all of one namespace": func(t *testing.T, log *eventlog.Log) int {
			bury(t, log, "team-a", 1, 1_500)
			return 1_500
		},
		"a few, far apart": func(t *testing.T, log *eventlog.Log) int {
			for n := 1; n <= 4; n++ {
				bury(t, log, "team-b", 1, 900)
				bury(t, log, "team-a", n, n)
			}
			bury(t, log, "team-b", 1, 900)
			return 4
		},
		"one in three": func(t *testing.T, log *eventlog.Log) int {
			for n := 1; n <= 300; n++ {
				bury(t, log, "team-b", 1, 2)
				bury(t, log, "team-a", n, n)
			}
			return 300
		},
		"many behind a gap": func(t *testing.T, log *eventlog.Log) int {
			bury(t, log, "team-a", 1, 1_000)
			bury(t, log, "team-b", 1, 2_000)
			bury(t, log, "team-a", 1_001, 1_010)
			bury(t, log, "team-b", 1, 10)
			return 1_010
		},
		"none": func(t *testing.T, log *eventlog.Log) int {
			bury(t, log, "team-b", 1, 10)
			return 0
		},
		"none of anybody": func(*testing.T, *eventlog.Log) int { return 0 },
		"those that are left of more": func(t *testing.T, log *eventlog.Log) int {
			bury(t, log, "team-c", 1, 300)
			bury(t, log, "team-a", 1, 10)
			if err := log.TrimDeadLettersOf(t.Context(), "team-c", 301); err != nil {
				t.Fatal(err)
			}
			return 10
		},
	}
	for name, fill := range tests {
		t.Run(name, func(t *testing.T) {
			log, l := open(t)
			last := fill(t, log)
			for _, limit := range []int{0, 150, maxLimit} {
				all := pages(t, l, Query{Namespace: "team-a", Limit: limit})
				if diff := cmp.Diff(downFrom(last, 1), idsOf(all)); diff != "" {
					t.Errorf("limit %d: %s", limit, diff)
				}
				if most := max((last+max(limit, defaultLimit)-1)/max(limit, defaultLimit), 1); len(all) != most {
					t.Errorf("limit %d: %d pages, want %d", limit, len(all), most)
				}
			}
		})
	}
}

func TestDeadLetters_ReadsFewAtATime(t *testing.T) {
	log, l := open(t)
	bury(t, log, "team-a", 1, 3_000)
	bury(t, log, "team-b", 1, 3_000)
	bury(t, log, "team-a", 3_001, 3_001)
	w, err := l.walk(t.Context(), "team-a", 0)
	if err != nil {
		t.Fatal(err)
	}
	for w.more() {
		found, err := w.next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(found) > 2*deadPerRead {
			t.Errorf("%d dead letters are read at once", len(found))
		}
	}
	if w.letters != 3_001 {
		t.Errorf("%d dead letters are read, want all 3,001 once", w.letters)
	}
}

func TestDeadLetters_EndWhereTheTimeBegins(t *testing.T) {
	log, l := open(t)
	bury(t, log, "team-a", 1, 1_000)
	since := time.Now()
	bury(t, log, "team-a", 1_001, 1_010)
	l.bounds.deadLetters = deadPerRead
	all := pages(t, l, Query{Namespace: "team-a", Since: since})
	if diff := cmp.Diff(downFrom(1_010, 1_001), idsOf(all)); diff != "" || len(all) != 1 {
		t.Errorf("%d pages, want one %s", len(all), diff)
	}
}

func TestDeadLetters_LooksAtABoundedPartForRareOnes(t *testing.T) {
	for name, most := range map[string]bounds{
		"by their number": {deadLetters: 2 * deadPerRead, deadBytes: 1 << 30},
		"by their size":   {deadLetters: 1 << 30, deadBytes: 100 * 2 * deadPerRead},
	} {
		t.Run(name, func(t *testing.T) {
			log, l := open(t)
			bury(t, log, "team-a", 1, 2_000)
			l.bounds = most
			all := pages(t, l, Query{Namespace: "team-a", EventID: "e1"})
			if len(all) < 2 || len(all[0].Items) != 0 || all[0].Next == "" {
				t.Errorf("%d pages, the first %+v, want short ones", len(all), all[0])
			}
			if diff := cmp.Diff([]string{"e1"}, idsOf(all)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(downFrom(2_000, 1), idsOf(pages(t, l, Query{Namespace: "team-a", Limit: maxLimit}))); diff != "" {
				t.Errorf("short pages have not all: %s", diff)
			}
		})
	}
}

func TestDeadLetters_PassesOverWhatItCannotRead(t *testing.T) {
	log, l := open(t)
	bury(t, log, "team-a", 1, 5)
	for _, damaged := range [][]byte{[]byte("damaged"), nil, (&delivery.Stored{Event: []byte("damaged")}).Append(nil)} {
		if _, err := log.StoreDeadLetter(placeIn("team-a"), damaged).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	bury(t, log, "team-a", 6, 10)
	all := pages(t, l, Query{Namespace: "team-a", Limit: 3})
	if diff := cmp.Diff(downFrom(10, 1), idsOf(all)); diff != "" {
		t.Error(diff)
	}
	unreadable := 0
	for _, p := range all {
		unreadable += p.Unreadable
	}
	if unreadable != 3 {
		t.Errorf("%d count as unreadable, want 3", unreadable)
	}
	e, err := l.Event(t.Context(), "team-a", pages(t, l, Query{Namespace: "team-a", EventID: "e1"})[0].Items[0].DeliveryID)
	if err != nil || e.ID != "e1" {
		t.Errorf("event behind the unreadable ones: %v, %v", e, err)
	}
}

func TestQuery_PassesOverAFlushThatItCannotRead(t *testing.T) {
	log, l := open(t)
	seq := flush(t, l, 0, record(1, nil))
	seq, err := log.AppendFlush(t.Context(), 0, seq, []byte("damaged"))
	if err != nil {
		t.Fatal(err)
	}
	flush(t, l, seq, record(2, nil))
	page, err := l.Query(t.Context(), Query{Namespace: "team-a"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"e2", "e1"}, ids(page)); diff != "" || page.Unreadable != 1 {
		t.Errorf("%d unreadable, %s", page.Unreadable, diff)
	}
}

func TestQuery_LooksAtABoundedNumberOfFlushes(t *testing.T) {
	_, l := open(t)
	if l.bounds.flushes != 20_000 {
		t.Errorf("a query reads %d flushes, want 20,000", l.bounds.flushes)
	}
	l.bounds.flushes = 2 * flushesPerRead
	seq := flush(t, l, 0, record(1, nil))
	for range 5 * flushesPerRead {
		seq = flush(t, l, seq, record(2, nil))
	}
	var found []string
	reads := 0
	for q := (Query{Namespace: "team-a", EventID: "e1"}); ; {
		page, err := l.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		reads++
		found = slices.Concat(found, ids(page))
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
		if len(page.Items) > 0 {
			t.Error("a page ended behind what it looked for")
		}
	}
	if diff := cmp.Diff([]string{"e1"}, found); diff != "" || reads != 3 {
		t.Errorf("%d pages, want 3 of 400 flushes at most %s", reads, diff)
	}
}
