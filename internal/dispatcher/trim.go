// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"errors"
	"time"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// trimInterval is how often settled events and old attempts are removed.
const trimInterval = 15 * time.Second

// trimAt is how full the events may be before settled ones are removed though they are young enough.
const trimAt = 0.8

// trimLoop removes what is settled and old.
func (d *Dispatcher) trimLoop() {
	d.every(trimInterval, func(now time.Time) {
		if !d.replaced.trimming.TryLock() {
			return // a backup is made
		}
		defer d.replaced.trimming.Unlock()
		ctx, cancel := context.WithTimeout(d.storing, time.Minute)
		defer cancel()
		if err := errors.Join(d.trimEvents(ctx, now), d.trimAttempts(ctx, now)); err != nil {
			d.logger.Warn("Failed to trim", "error", err)
		}
	})
}

// trimEvents removes settled events that are old or in the way; never one above the floor.
func (d *Dispatcher) trimEvents(ctx context.Context, now time.Time) error {
	d.mu.Lock()
	settled := d.storedFloor
	d.mu.Unlock()
	below, err := d.log.EventAt(ctx, now.Add(-d.opts.KeepEvents.Age))
	if errors.Is(err, eventlog.ErrNotFound) {
		below, err = settled+1, nil // all of them are older
	}
	if err != nil {
		return err
	}
	u, err := d.log.Usage(ctx)
	if err != nil {
		return err
	}
	d.metrics.storage(u)
	limit := int64(float64(u.EventsLimit) * trimAt)
	if m := d.opts.KeepEvents.MaxBytes; m > 0 {
		limit = min(limit, m)
	}
	first, err := d.log.FirstEvent(ctx)
	if err != nil {
		return err
	}
	if u.Events > limit && settled >= first {
		// The share of the messages that is too much stands for the share of the bytes.
		excess := float64(u.Events-limit) / float64(u.Events)
		below = max(below, first+uint64(excess*float64(settled-first+1))+1)
	}
	below = min(below, settled+1)
	if below <= first {
		return nil
	}
	return d.log.TrimEvents(ctx, below)
}

// trimAttempts removes old flushes; never one that a restart needs.
func (d *Dispatcher) trimAttempts(ctx context.Context, now time.Time) error {
	d.mu.Lock()
	needed := d.flushed
	if oldest := d.live.oldest(); oldest != 0 {
		needed = min(needed, oldest)
	}
	needed = min(needed, d.countersFlush)
	d.mu.Unlock()
	first, last, err := d.log.FlushRange(ctx)
	if err != nil || last == 0 {
		return err
	}
	below, err := d.log.FlushAt(ctx, now.Add(-d.opts.KeepAttempts.Age))
	if err != nil {
		return err
	}
	if m := d.opts.KeepAttempts.MaxBytes; m > 0 {
		size, err := d.log.AttemptBytes(ctx)
		if err != nil {
			return err
		}
		if size > m {
			below = max(below, first+uint64(float64(size-m)/float64(size)*float64(last-first+1))+1)
		}
	}
	below = min(below, needed)
	if below <= first {
		return nil
	}
	return d.log.TrimAttempts(ctx, below)
}
