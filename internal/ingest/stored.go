// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"hash/maphash"
	"time"
)

// storedEvents are digests of events with the time when each was stored, in the order in which they were added. An
// event costs 20 bytes and its share of the table, which a map of Go beside a queue would double. It is not safe for
// concurrent use.
type storedEvents struct {
	// ring is a queue: entries from first on, count of them.
	ring  []entry
	first int
	count int
	// table finds an entry: it holds places in the ring, plus 1, by the hash of the digest there, and 0 where it is
	// free. One that cannot have its own slot has the next that is free. It is a power of two long.
	table []uint32
	// seed keeps whoever chooses the ids of events from choosing their slots.
	seed maphash.Seed
}

// entry is one stored event.
type entry struct {
	digest digest
	// at is when it was stored in seconds since 1970, rounded up.
	at uint32
}

// leastTable is how long a table is at least.
const leastTable = 1024

// newStoredEvents returns one that has room for so many events.
func newStoredEvents(room int) *storedEvents {
	return &storedEvents{ring: make([]entry, room), table: make([]uint32, leastTable), seed: maphash.MakeSeed()}
}

// has reports whether the event is among them.
func (s *storedEvents) has(d digest) bool { return s.table[s.slot(d)] != 0 }

// full reports whether one has to go before another can come.
func (s *storedEvents) full() bool { return s.count == len(s.ring) }

// add puts in an event that is not among them. There must be room.
func (s *storedEvents) add(d digest, at time.Time) {
	if s.count >= len(s.table)/4*3 {
		s.grow()
	}
	place := (s.first + s.count) % len(s.ring)
	s.ring[place] = entry{digest: d, at: secondsUp(at)}
	s.table[s.slot(d)] = uint32(place) + 1 //nolint:gosec // a ring has some 100,000 places
	s.count++
}

// forgetOldest takes out the event that was added first. There must be one.
func (s *storedEvents) forgetOldest() {
	s.free(s.slot(s.ring[s.first].digest))
	s.first = (s.first + 1) % len(s.ring)
	s.count--
}

// oldestBefore reports whether the event that was added first was stored before a time.
func (s *storedEvents) oldestBefore(t time.Time) bool {
	return s.count > 0 && int64(s.ring[s.first].at) < t.Unix()
}

// secondsUp is a time in seconds since 1970, rounded up: an event is remembered a second too long rather than too short.
func secondsUp(t time.Time) uint32 {
	return uint32(t.Add(time.Second - time.Nanosecond).Unix()) //nolint:gosec // until 2106
}

// home is the slot that a digest has where nothing is in its way.
func (s *storedEvents) home(d digest) int {
	return int(maphash.Bytes(s.seed, d[:]) & uint64(len(s.table)-1)) //nolint:gosec // below the length
}

// next is the slot behind another.
func (s *storedEvents) next(slot int) int { return (slot + 1) & (len(s.table) - 1) }

// slot is where the digest is in the table, or the free slot where it would be.
func (s *storedEvents) slot(d digest) int {
	slot := s.home(d)
	for s.table[slot] != 0 && s.ring[s.table[slot]-1].digest != d {
		slot = s.next(slot)
	}
	return slot
}

// free empties a slot, and moves up what stands behind it for want of a place of its own.
func (s *storedEvents) free(slot int) {
	for at := s.next(slot); s.table[at] != 0; at = s.next(at) {
		home := s.home(s.ring[s.table[at]-1].digest)
		// It may move where the free slot is not before its home, counted from there around the table.
		if mask := len(s.table) - 1; (at-home)&mask >= (at-slot)&mask {
			s.table[slot], slot = s.table[at], at
		}
	}
	s.table[slot] = 0
}

// grow doubles the table.
func (s *storedEvents) grow() {
	s.table = make([]uint32, 2*len(s.table))
	for i := range s.count {
		place := (s.first + i) % len(s.ring)
		s.table[s.slot(s.ring[place].digest)] = uint32(place) + 1 //nolint:gosec // as in add
	}
}
