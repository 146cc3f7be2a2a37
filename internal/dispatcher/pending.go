// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import "time"

// activate notes a stored delivery that comes into memory, to be sent or ended. The caller holds the mutex.
func (d *Dispatcher) activate(w waiting) {
	if !w.isDeadLetter() {
		d.active[w.seq] = w
	}
}

// deactivate notes that a stored delivery waits again, or is replaced. The caller holds the mutex.
func (d *Dispatcher) deactivate(w waiting) { delete(d.active, w.seq) }

// eachStored calls note for the deliveries that wait in storage for the lane, dead-letter deliveries apart.
func (l *lane) eachStored(note func(s *subscription, accepted time.Time)) {
	each := func(all []waiting) {
		for _, w := range all {
			if !w.isDeadLetter() {
				note(w.sub, w.acceptedAt())
			}
		}
	}
	each(l.backlog)
	for _, held := range l.held {
		each(held)
	}
}

// eachInMemory calls note for the other deliveries that have not ended: those that no flush has recorded, and
// those that came from storage and are on their way between two records. The caller holds the mutex.
func (d *Dispatcher) eachInMemory(note func(s *subscription, accepted time.Time)) {
	for _, e := range d.window.entries[d.window.head:] {
		for _, t := range e.tasks {
			if t.entry != nil { // otherwise a flush has it
				note(t.sub, t.accepted)
			}
		}
	}
	for _, t := range d.composed {
		note(t.sub, t.accepted)
	}
	for _, w := range d.active {
		note(w.sub, w.acceptedAt())
	}
}
