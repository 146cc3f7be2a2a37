// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"container/heap"
	"time"
)

// waiting is what memory holds of a delivery that is stored: 32 bytes, since a dead endpoint may
// leave hundreds of thousands of them.
type waiting struct {
	// seq is its sequence among the waiting deliveries.
	seq uint64
	// due is when it may be sent, in milliseconds since 1970; 0 means as soon as there is room.
	due int64
	// accepted is when its event was accepted, in seconds since 1970.
	accepted uint32
	// sizeAndKind is its size in bytes; the highest bit marks the delivery of a dead letter.
	sizeAndKind uint32
	sub         *subscription
}

// deadLetterBit marks the delivery of a dead letter to a dead-letter endpoint.
const deadLetterBit = 1 << 31

// newWaiting is the memory of a delivery that was stored.
func newWaiting(seq uint64, due, accepted time.Time, size int, deadLetter bool, sub *subscription) waiting {
	w := waiting{seq: seq, accepted: uint32(accepted.Unix()), sizeAndKind: uint32(size), sub: sub} //nolint:gosec // until 2106; a message is at most 4 MiB
	if !due.IsZero() {
		w.due = due.UnixMilli()
	}
	if deadLetter {
		w.sizeAndKind |= deadLetterBit
	}
	return w
}

// isDeadLetter reports whether it is the delivery of a dead letter.
func (w waiting) isDeadLetter() bool { return w.sizeAndKind&deadLetterBit != 0 }

// size is how many bytes it takes in the event log.
func (w waiting) size() int64 { return int64(w.sizeAndKind &^ deadLetterBit) }

// acceptedAt is when its event was accepted, to the second.
func (w waiting) acceptedAt() time.Time { return time.Unix(int64(w.accepted), 0) }

// dueAt is when it may be sent; the zero time for at once.
func (w waiting) dueAt() time.Time {
	if w.due == 0 {
		return time.Time{}
	}
	return time.UnixMilli(w.due)
}

// since is when it could have been sent, had nothing been in its way: when it is due, or when its event came.
func (w waiting) since() time.Time {
	if w.due == 0 {
		return w.acceptedAt()
	}
	return w.dueAt()
}

// backlog is a heap of waiting deliveries, the one due first on top; equal ones in the order in
// which they were stored.
type backlog []waiting

func (b backlog) Len() int { return len(b) }
func (b backlog) Less(i, j int) bool {
	return b[i].due < b[j].due || b[i].due == b[j].due && b[i].seq < b[j].seq
}
func (b backlog) Swap(i, j int) { b[i], b[j] = b[j], b[i] }

// Push is for container/heap.
func (b *backlog) Push(x any) { *b = append(*b, x.(waiting)) } //nolint:forcetypeassert // ours alone

// Pop is for container/heap.
func (b *backlog) Pop() any {
	last := len(*b) - 1
	w := (*b)[last]
	(*b)[last] = waiting{}
	*b = (*b)[:last]
	return w
}

// add puts one in.
func (b *backlog) add(w waiting) { heap.Push(b, w) }

// take removes the one on top.
func (b *backlog) take() waiting { return heap.Pop(b).(waiting) } //nolint:forcetypeassert // ours alone

// extract removes and returns those that match, in no order.
func (b *backlog) extract(match func(waiting) bool) []waiting {
	var out []waiting
	rest := (*b)[:0]
	for _, w := range *b {
		if match(w) {
			out = append(out, w)
		} else {
			rest = append(rest, w)
		}
	}
	clear((*b)[len(rest):])
	*b = rest
	if len(out) > 0 {
		heap.Init(b)
	}
	return out
}
