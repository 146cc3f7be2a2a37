// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"sync"
)

// removals are the waiting deliveries whose successors are recorded. They are removed beside the flusher, one
// request to the engine each: while it waited for them, what was answered meanwhile would be sent again after
// a crash.
type removals struct {
	queue  []removal
	signal chan struct{}
	// held says that a backup is under way: everything stays where it is.
	held bool
	// trimming is locked while old events and flushes are removed, or a backup is made.
	trimming sync.Mutex
}

// removal is what one flush replaced.
type removal struct {
	flush uint64
	seqs  []uint64
}

// remove hands over what a flush replaced. The flush is held until that is removed: until then a restart must
// know from it that they are done with.
func (d *Dispatcher) remove(flush uint64, seqs []uint64) {
	if len(seqs) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.replaced.queue = append(d.replaced.queue, removal{flush, seqs})
	d.signalRemove()
}

// signalRemove wakes the remover.
func (d *Dispatcher) signalRemove() {
	select {
	case d.replaced.signal <- struct{}{}:
	default:
	}
}

// removeLoop removes what was replaced until the flusher has ended, and what is left then.
func (d *Dispatcher) removeLoop() {
	for {
		select {
		case <-d.replaced.signal:
			d.removeReplaced()
		case <-d.recordedAll:
			d.removeReplaced()
			return
		}
	}
}

// removeReplaced removes what was replaced so far.
func (d *Dispatcher) removeReplaced() {
	for {
		r, ok := d.nextRemoval()
		if !ok {
			return
		}
		for _, seq := range r.seqs {
			if err := d.persist(func(ctx context.Context) error { return d.log.RemoveWaiting(ctx, seq) }); err != nil {
				return // we are stopping; a restart knows from the flush that it is done with
			}
		}
		d.mu.Lock()
		d.live.release(r.flush, len(r.seqs))
		d.mu.Unlock()
	}
}

// nextRemoval takes the oldest of them, if there is one and nothing holds it.
func (d *Dispatcher) nextRemoval() (removal, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.replaced.held || len(d.replaced.queue) == 0 {
		return removal{}, false
	}
	r := d.replaced.queue[0]
	d.replaced.queue = d.replaced.queue[1:]
	return r, true
}
