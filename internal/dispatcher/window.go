// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"cmp"
	"slices"
	"time"
)

// Bounds of the unsettled window. The number of tasks bounds the memory, and keeps the wait in a
// healthy lane short, however many events wait behind the window: 2,048 deliveries take a twentieth of a
// second at the speed of one core, and no more than a second, after which a lane counts as slow and is
// parked, where that core has much else to do. Parked deliveries cost several times as much, so that a healthy
// lane that is parked for want of CPU stays behind for good.
const (
	maxUnsettledEvents = 10_000
	maxUnsettledTasks  = 2_048
	// maxUnsettledTime is how long an event may keep the floor down, where Options do not say. What
	// still waits then, or hangs in flight, is parked, and the event settles.
	maxUnsettledTime = 5 * time.Second
)

// entry is one unsettled event.
type entry struct {
	seq       uint64
	namespace string
	size      int64
	read      time.Time
	// left counts its tasks that no flush has recorded.
	left  int
	tasks []*task
	// flushes are the flushes that hold records of it while it is above the floor.
	flushes []uint64
}

// window holds the unsettled events in the order of their sequences.
type window struct {
	entries []*entry
	head    int
	tasks   int
	floor   uint64
}

// full reports whether the reader must wait.
func (w *window) full() bool {
	return len(w.entries)-w.head >= maxUnsettledEvents || w.tasks >= maxUnsettledTasks
}

// add takes an event in, with all of its tasks.
func (w *window) add(e *entry) {
	w.entries = append(w.entries, e)
	w.tasks += e.left
}

// find returns the unsettled event of a sequence; nil when it was not read yet, or is settled.
func (w *window) find(seq uint64) *entry {
	open := w.entries[w.head:]
	i, ok := slices.BinarySearchFunc(open, seq, func(e *entry, seq uint64) int { return cmp.Compare(e.seq, seq) })
	if !ok {
		return nil
	}
	return open[i]
}

// recorded notes that a flush under way holds the record of one task.
func (w *window) recorded(e *entry) {
	e.left--
	w.tasks--
}

// settle moves the floor over the events that have nothing left, and returns them.
func (w *window) settle() []*entry {
	from := w.head
	for w.head < len(w.entries) && w.entries[w.head].left == 0 {
		w.floor = w.entries[w.head].seq
		w.head++
	}
	settled := w.entries[from:w.head:w.head]
	if w.head > len(w.entries)/2 && w.head > 1024 || w.head == len(w.entries) {
		// The settled part goes to its caller; what is left moves to a slice of its own.
		w.entries = append([]*entry(nil), w.entries[w.head:]...)
		w.head = 0
	}
	return settled
}

// overdue calls park for the events that have been unsettled for too long.
func (w *window) overdue(now time.Time, longest time.Duration, park func(*entry)) {
	for _, e := range w.entries[w.head:] {
		if now.Sub(e.read) < longest {
			return
		}
		if e.left > 0 {
			park(e)
		}
	}
}
