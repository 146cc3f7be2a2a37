// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"errors"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

const (
	// trimAt is how full the storage may be, or the events' part of it, before what is settled is removed though
	// it is young enough.
	trimAt = 0.8
	// refuseAt is how full the storage may be before events are refused: the rest is for what follows from those
	// that are stored. An outcome must never wait for room that only outcomes can make.
	refuseAt = 0.9
)

// trimSizes removes what is settled and in the way, and notes how much room there is for more events then.
func (d *Dispatcher) trimSizes(ctx context.Context) error {
	d.mu.Lock()
	before := d.admitted
	d.mu.Unlock()
	u, err := d.shorten(ctx)
	if err != nil {
		return err
	}
	d.noteRoom(u, before)
	return nil
}

// lookAtRoom notes how much room for events there is, before anything is removed.
func (d *Dispatcher) lookAtRoom(ctx context.Context) error {
	u, err := d.log.Usage(ctx)
	if err == nil {
		d.noteRoom(u, 0)
	}
	return err
}

// noteRoom notes how much room for events is left by what the storage holds, which has of this run's events the
// bytes that were admitted before it was looked at.
func (d *Dispatcher) noteRoom(u eventlog.Usage, before int64) {
	d.metrics.storage(u)
	d.mu.Lock()
	defer d.mu.Unlock()
	room := int64(float64(u.TotalLimit)*refuseAt) - u.Total
	d.lookAt, d.admitTo = before+room/2, before+room
	d.full = d.admitted > d.admitTo
}

// letIn counts bytes of an event that is let in. A burst may fill in an instant what was free when the storage was
// looked at: it is looked at again when half of that is taken, and nothing is let in past it. The caller holds the
// mutex.
func (d *Dispatcher) letIn(n int) {
	d.admitted += int64(n)
	d.full = d.full || d.admitted > d.admitTo
	if d.admitted > d.lookAt {
		d.signalTrim()
	}
}

// shorten removes the oldest events and attempts where they are in the way, and dead letters when nothing else
// is left. It returns the size after that.
func (d *Dispatcher) shorten(ctx context.Context) (eventlog.Usage, error) {
	u, err := d.log.Usage(ctx)
	if err != nil {
		return u, err
	}
	attempts, err := d.log.AttemptBytes(ctx)
	if err != nil {
		return u, err
	}
	excess := excessOf(u)
	// Both give in proportion to what they have.
	ofEvents := int64(float64(excess) * part(u.Events, u.Events+attempts))
	if err := errors.Join(
		d.shortenEvents(ctx, u, max(ofEvents, u.Events-d.eventLimit(u))),
		d.shortenAttempts(ctx, attempts, max(excess-ofEvents, over(attempts, d.opts.KeepAttempts.MaxBytes))),
	); err != nil || excess == 0 {
		return u, err
	}
	if u, err = d.log.Usage(ctx); err != nil || float64(u.Total) <= float64(u.TotalLimit)*refuseAt {
		return u, err
	}
	if err := d.shortenDeadLetters(ctx, excessOf(u)); err != nil {
		return u, err
	}
	return d.log.Usage(ctx)
}

// excessOf is by how many bytes the storage is fuller than it should be.
func excessOf(u eventlog.Usage) int64 { return max(u.Total-int64(float64(u.TotalLimit)*trimAt), 0) }

// part is n of m; 0 of nothing.
func part(n, m int64) float64 {
	if m <= 0 {
		return 0
	}
	return float64(n) / float64(m)
}

// over is by how much a size is above a limit; 0 when there is none.
func over(size, limit int64) int64 {
	if limit == 0 {
		return 0
	}
	return max(size-limit, 0)
}

// eventLimit is how many bytes of events are kept.
func (d *Dispatcher) eventLimit(u eventlog.Usage) int64 {
	limit := int64(float64(u.EventsLimit) * trimAt)
	if m := d.opts.KeepEvents.MaxBytes; m > 0 {
		limit = min(limit, m)
	}
	return limit
}

// shortenEvents removes about so many bytes of the oldest events, as far as they are settled.
func (d *Dispatcher) shortenEvents(ctx context.Context, u eventlog.Usage, excess int64) error {
	if excess <= 0 {
		return nil
	}
	first, err := d.log.FirstEvent(ctx)
	if err != nil {
		return err
	}
	last, err := d.log.LastEvent(ctx)
	if err != nil || last < first {
		return err
	}
	gone, err := d.removeEvents(ctx, firstKept(first, last, excess, u.Events))
	d.metrics.trimmed.WithLabelValues("events", fullStorage).Add(float64(gone))
	return err
}

// shortenAttempts removes about so many bytes of the oldest attempts, as far as no restart needs them.
func (d *Dispatcher) shortenAttempts(ctx context.Context, size, excess int64) error {
	if excess <= 0 {
		return nil
	}
	first, last, err := d.log.FlushRange(ctx)
	if err != nil || last < first {
		return err
	}
	return d.removeAttempts(ctx, firstKept(first, last, excess, size))
}

// firstKept is the first sequence that stays when so many of the bytes go: the part of the sequences that is
// too much stands for the part of the bytes.
func firstKept(first, last uint64, excess, size int64) uint64 {
	gone := min(part(excess, size), 1)
	return first + uint64(gone*float64(last-first+1)) + 1
}

// shortenDeadLetters removes about so many bytes of the oldest dead letters, whosever they are.
func (d *Dispatcher) shortenDeadLetters(ctx context.Context, excess int64) error {
	d.mu.Lock()
	below := d.usage.dead.through(excess)
	d.mu.Unlock()
	if below == 0 {
		return nil
	}
	if err := d.log.TrimDeadLetters(ctx, below); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	gone := d.usage.dead.cut(below).Messages
	d.metrics.trimmed.WithLabelValues("dead_letters", fullStorage).Add(float64(gone))
	d.logger.Warn("Trimmed dead letters, since the storage is full of what is not settled", "deadLetters", gone)
	return nil
}
