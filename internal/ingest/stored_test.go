// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestStoredEvents_AreThoseOfAMap has many come and go in a small space, and compares with a map and a list.
func TestStoredEvents_AreThoseOfAMap(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	s := newStoredEvents(3 * leastTable)
	known := map[digest]bool{}
	var order []digest
	forget := func() {
		s.forgetOldest()
		delete(known, order[0])
		order = order[1:]
	}
	for range 200_000 {
		d := testDigest(fmt.Sprint(random.IntN(4 * leastTable)))
		if s.has(d) != known[d] {
			t.Fatalf("seed %d: one is known %t, want %t", seed, s.has(d), known[d])
		}
		if !known[d] {
			if s.full() {
				forget()
			}
			s.add(d, time.Now())
			known[d], order = true, append(order, d)
		}
		for len(order) > 0 && random.IntN(100) == 0 {
			for range min(len(order), random.IntN(200)) {
				forget()
			}
		}
	}
	if s.count != len(order) {
		t.Errorf("seed %d: %d are there, want %d", seed, s.count, len(order))
	}
	for len(order) > 0 {
		if !s.has(order[0]) {
			t.Fatalf("seed %d: one is lost", seed)
		}
		forget()
	}
	for slot, place := range s.table {
		if place != 0 {
			t.Fatalf("seed %d: slot %d is in use and nothing is there", seed, slot)
		}
	}
}

// BenchmarkStoredEvents has one come and one go, with as many there as ingest remembers.
func BenchmarkStoredEvents(b *testing.B) {
	s := newStoredEvents(DefaultWindowEntries)
	n := 0
	for b.Loop() {
		d := digest{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}
		n++
		if s.has(d) {
			b.Fatal("one that never came is known")
		}
		if s.full() {
			s.forgetOldest()
		}
		s.add(d, time.Time{})
	}
}
