// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import "container/heap"

// fair is a queue that serves the namespaces in turn, so that the mass of one holds up no other.
type fair[T any] struct {
	waiting map[string][]T
	// turns are the namespaces with something waiting, in the order in which they are served.
	turns []string
	size  int
}

// push appends to the queue of a namespace.
func (q *fair[T]) push(namespace string, item T) {
	if q.waiting == nil {
		q.waiting = map[string][]T{}
	}
	if len(q.waiting[namespace]) == 0 {
		q.turns = append(q.turns, namespace)
	}
	q.waiting[namespace] = append(q.waiting[namespace], item)
	q.size++
}

// pop takes the first of the namespace whose turn it is.
func (q *fair[T]) pop() (T, bool) {
	var item T
	if q.size == 0 {
		return item, false
	}
	namespace := q.turns[0]
	q.turns = q.turns[1:]
	items := q.waiting[namespace]
	item = items[0]
	q.size--
	if len(items) == 1 {
		delete(q.waiting, namespace)
		return item, true
	}
	q.waiting[namespace] = items[1:]
	q.turns = append(q.turns, namespace)
	return item, true
}

// len returns how many wait, and lenOf how many of one namespace.
func (q *fair[T]) len() int                   { return q.size }
func (q *fair[T]) lenOf(namespace string) int { return len(q.waiting[namespace]) }

// later holds tickets until they are due.
type later struct{ tickets ticketHeap }

// push adds a ticket.
func (l *later) push(t ticket) { heap.Push(&l.tickets, t) }

// next returns the ticket that is due first, without taking it.
func (l *later) next() (ticket, bool) {
	if len(l.tickets) == 0 {
		return ticket{}, false
	}
	return l.tickets[0], true
}

// pop takes the ticket that is due first.
func (l *later) pop() ticket { return heap.Pop(&l.tickets).(ticket) }

// ticketHeap orders tickets by when they are due.
type ticketHeap []ticket

func (h ticketHeap) Len() int           { return len(h) }
func (h ticketHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h ticketHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push appends a ticket, for container/heap.
func (h *ticketHeap) Push(t any) { *h = append(*h, t.(ticket)) }

// Pop removes the last ticket, for container/heap.
func (h *ticketHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
