// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/problem"
)

func TestStore_OffersNoMoreThanAShareMayTakeAtOnce(t *testing.T) {
	all := &taker{id: "team/all", source: &compile.EventSource{Name: delivery.Name{Namespace: "team", Name: "all"}}}
	var offered [][]int
	meter, err := newMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &watch{
		logger: slog.New(slog.DiscardHandler), plan: &plan{takers: []*taker{all}}, sent: &sent{}, meter: meter,
		entries: map[string]*entry{}, records: map[string]*takerRecord{all.id: {}}, refused: map[string]bool{},
		accept: func(_ context.Context, _ string, events []*event.Event) error {
			var sizes []int
			for _, e := range events {
				sizes = append(sizes, len(e.Data))
			}
			offered = append(offered, sizes)
			return nil
		},
	}
	b := newBatch()
	for i, size := range []int{chunkBytes / 2, chunkBytes / 2, 1, chunkBytes + 1, 2, 3} {
		b.emissions = append(b.emissions, emission{
			taker: all, event: &event.Event{Source: "/namespaces/team/all", ID: fmt.Sprint(i), Data: make([]byte, size)},
		})
	}
	if err := w.store(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	want := [][]int{{chunkBytes / 2, chunkBytes / 2}, {1}, {chunkBytes + 1}, {2, 3}}
	if diff := cmp.Diff(want, offered); diff != "" {
		t.Errorf("the sizes that are offered together (-want +got):\n%s", diff)
	}
}

// strict is a log that takes nothing of some objects.
type strict struct {
	Log
	stored map[eventlog.ObjectKey][]byte
}

func (s strict) PutObjects(_ context.Context, values map[eventlog.ObjectKey][]byte) error {
	for k := range values {
		if k.UID == "large" {
			return fmt.Errorf("put objects: %w", eventlog.ErrTooLarge)
		}
	}
	maps.Copy(s.stored, values)
	return nil
}

func TestCommit_WhatTheLogCanNeverTakeHoldsUpNobody(t *testing.T) {
	log := strict{stored: map[eventlog.ObjectKey][]byte{}}
	w := &watch{logger: slog.New(slog.DiscardHandler), log: log, plan: &plan{}, entries: map[string]*entry{}}
	b := newBatch()
	for _, uid := range []string{"a", "large", "z"} {
		w.entries[uid] = &entry{uid: uid}
		b.dirty[uid] = struct{}{}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := w.commit(ctx, b); err != nil {
		t.Fatal(err)
	}
	if len(log.stored) != 2 {
		t.Errorf("%d objects are remembered, want the other two", len(log.stored))
	}
}

func TestStore_OffersNothingBehindWhatIsRefused(t *testing.T) {
	all := &taker{id: "team/all", source: &compile.EventSource{Name: delivery.Name{Namespace: "team", Name: "all"}}}
	offers := 0
	w := &watch{
		logger: slog.New(slog.DiscardHandler), plan: &plan{takers: []*taker{all}}, sent: &sent{},
		entries: map[string]*entry{}, records: map[string]*takerRecord{all.id: {}}, objects: map[string]int64{},
		names: names{}, leaving: map[string]struct{}{}, refused: map[string]bool{},
		accept: func(context.Context, string, []*event.Event) error {
			if offers++; offers == 1 { // there is room again at once
				return problem.Kind{Status: 429, Title: "full"}.New("full")
			}
			return nil
		},
	}
	b := newBatch()
	for _, op := range []change.Operation{change.Created, change.Updated} {
		for i := range batchSize {
			uid := fmt.Sprint(i)
			if w.entries[uid] == nil {
				w.entries[uid] = &entry{uid: uid, parts: []part{{taker: all.id}}}
			}
			b.emissions = append(b.emissions, emission{
				taker: all, uid: uid, object: change.Reference{UID: uid, Name: uid}, op: op,
				event: &event.Event{Source: "/namespaces/team/all", ID: uid + string(op)},
			})
		}
	}
	if err := w.store(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if offers != 1 {
		t.Errorf("%d chunks are offered, want 1", offers)
	}
	for uid, e := range w.entries {
		if x := e.part(all.id).extra; x == nil || x.pending != change.Created {
			t.Fatalf("of object %s there waits %+v, want that it was created", uid, x)
		}
	}
}
