// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package deliverylog

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// open starts a log that ends with the test.
func open(t *testing.T) (*eventlog.Log, *Log) {
	t.Helper()
	l, err := eventlog.Open(t.Context(), eventlog.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l, New(l)
}

// record is the record of the n-th delivery.
func record(n int, change func(*delivery.Record)) delivery.Record {
	r := delivery.Record{
		EventSeq: uint64(n), Subscription: delivery.Name{Namespace: "team-a", Name: "orders"},
		Endpoint: delivery.Name{Namespace: "team-a", Name: "billing"}, EventID: fmt.Sprintf("e%d", n),
		Time: time.Now().Add(time.Duration(n) * time.Microsecond).UTC(), Outcome: delivery.OutcomeDelivered,
	}
	if change != nil {
		change(&r)
	}
	return r
}

// flush stores the records as one flush behind the one before.
func flush(t *testing.T, l *Log, before uint64, records ...delivery.Record) uint64 {
	t.Helper()
	seq, err := l.Append(t.Context(), 0, before, &Flush{Records: records})
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// ids are the events of a page, in its order.
func ids(p Page) []string {
	var out []string
	for _, r := range p.Items {
		out = append(out, r.EventID)
	}
	return out
}

func TestQuery_Filters(t *testing.T) {
	_, l := open(t)
	started := time.Now()
	seq := flush(t, l, 0, record(1, nil), record(2, func(r *delivery.Record) { r.Subscription.Name = "other" }),
		record(3, func(r *delivery.Record) { r.Subscription.Namespace = "team-b" }))
	flush(t, l, seq, record(4, func(r *delivery.Record) { r.Outcome = delivery.OutcomeRetry }),
		record(5, func(r *delivery.Record) { r.Endpoint = delivery.Name{Namespace: "platform", Name: "billing"} }))
	tests := map[string]struct {
		query Query
		want  []string
	}{
		"everything of a namespace, newest first": {Query{}, []string{"e5", "e4", "e2", "e1"}},
		"another namespace":                       {Query{Namespace: "team-b"}, []string{"e3"}},
		"by subscription":                         {Query{Subscription: "other"}, []string{"e2"}},
		"by endpoint of the namespace":            {Query{Endpoint: "billing"}, []string{"e4", "e2", "e1"}},
		"by endpoint of another namespace":        {Query{Endpoint: "platform/billing"}, []string{"e5"}},
		"by event":                                {Query{EventID: "e1"}, []string{"e1"}},
		"by outcome":                              {Query{Outcome: delivery.OutcomeRetry}, []string{"e4"}},
		"from a time on":                          {Query{Since: started.Add(time.Hour)}, nil},
		"up to a time":                            {Query{Until: started}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if tt.query.Namespace == "" {
				tt.query.Namespace = "team-a"
			}
			page, err := l.Query(t.Context(), tt.query)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, ids(page)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestQuery_PagesAcrossFlushes(t *testing.T) {
	_, l := open(t)
	var seq uint64
	var want []string
	for n := 0; n < 20; n += 4 {
		seq = flush(t, l, seq, record(n, nil), record(n+1, nil), record(n+2, nil), record(n+3, nil))
	}
	for n := 19; n >= 0; n-- {
		want = append(want, fmt.Sprintf("e%d", n))
	}
	var got []string
	for q := (Query{Namespace: "team-a", Limit: 3}); ; {
		page, err := l.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ids(page)...)
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestQuery_ReadsMoreThanOneAnswerOfTheEngineHolds(t *testing.T) {
	_, l := open(t)
	var seq uint64
	large := func(r *delivery.Record) { r.Response = string(bytes.Repeat([]byte("x"), 3<<20)) }
	for n := range 8 { // 24 MiB, and one answer holds 16
		seq = flush(t, l, seq, record(n, large))
	}
	page, err := l.Query(t.Context(), Query{Namespace: "team-a"})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Items) != 8 || page.Items[0].EventID != "e7" {
		t.Errorf("%d records from %v, want all 8, newest first", len(page.Items), ids(page))
	}
}

func TestQuery_RefusesAForeignCursor(t *testing.T) {
	_, l := open(t)
	for _, c := range []string{"x", "!", cursor{}.String() + "A"} {
		if _, err := l.Query(t.Context(), Query{Namespace: "team-a", Cursor: c}); !errors.Is(err, ErrCursor) {
			t.Errorf("cursor %q: error %v, want ErrCursor", c, err)
		}
	}
}

func TestDeadLetters_PagesNewestFirstHoweverLargeTheyAre(t *testing.T) {
	log, l := open(t)
	place := eventlog.Place{Namespace: "team-a", Subscription: "orders", EndpointNamespace: "team-a", EndpointName: "billing"}
	var last *event.Event
	for n := range 24 { // one answer of the engine holds 16 MiB
		last = &event.Event{
			Namespace: "team-a", ID: fmt.Sprintf("e%d", n), Source: "/shop", Type: "t", DataContentType: "text/plain",
			Data: bytes.Repeat([]byte("x"), 1<<20-1000),
		}
		s := delivery.Stored{
			EventSeq: uint64(n), Subscription: delivery.Name{Namespace: "team-a", Name: "orders"},
			DeadLetter: delivery.DeadExpired, Event: last.AppendRecord(nil),
		}
		if _, err := log.StoreDeadLetter(place, s.Append(nil)).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for q := (Query{Namespace: "team-a", Limit: 10}); ; {
		page, err := l.DeadLetters(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ids(page)...)
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	var want []string
	for n := 23; n >= 0; n-- {
		want = append(want, fmt.Sprintf("e%d", n))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	e, err := l.Event(t.Context(), "team-a", delivery.ID(last, delivery.Name{Namespace: "team-a", Name: "orders"}, delivery.KindEvent))
	if err != nil || e.ID != last.ID {
		t.Errorf("event of the newest dead letter: %v, %v", e, err)
	}
	if _, err := l.Event(t.Context(), "team-a", "msg_unknown"); !errors.Is(err, eventlog.ErrNotFound) {
		t.Errorf("event of an unknown delivery: error %v, want ErrNotFound", err)
	}
}

// FuzzDecodeFlush feeds whatever may be found on a disk.
func FuzzDecodeFlush(f *testing.F) {
	whole := (&Flush{Floor: 3, ScanFrom: 2, LastWaiting: 5, LastDeadLetter: 1, Records: []delivery.Record{record(1, nil)}}).encode()
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := decodeFlush(b)
		if err != nil {
			return
		}
		again, err := decodeFlush(first.encode())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first.Floor, again.Floor); diff != "" || len(first.Records) != len(again.Records) {
			t.Error("a flush that was read is not what is written again")
		}
	})
}
