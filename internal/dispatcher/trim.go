// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

const (
	// trimInterval is how often settled events and old attempts are removed for their age, and sizeInterval
	// how often it is looked at what takes too much room.
	trimInterval = 15 * time.Second
	sizeInterval = time.Second
)

// trimLoop removes what is settled and old, or in the way.
func (d *Dispatcher) trimLoop() {
	ticker := time.NewTicker(sizeInterval)
	defer ticker.Stop()
	var aged time.Time
	for {
		select {
		case <-d.done:
			return
		case <-d.trimSignal:
		case <-ticker.C:
		}
		now := time.Now()
		old := now.Sub(aged) >= trimInterval
		if old {
			aged = now
		}
		if err := d.trim(now, old); err != nil {
			d.logger.Warn("Failed to trim", "error", err)
		}
	}
}

// trim removes what is in the way, and what is old where that is asked for.
func (d *Dispatcher) trim(now time.Time, old bool) error {
	if !d.replaced.trimming.TryLock() {
		return nil // a backup is made
	}
	defer d.replaced.trimming.Unlock()
	ctx, cancel := context.WithTimeout(d.storing, time.Minute)
	defer cancel()
	err := d.catchUp(ctx)
	if err == nil {
		err = d.forgetExpired(ctx)
	}
	if err == nil {
		err = errors.Join(d.trimShares(ctx), d.trimSizes(ctx))
	}
	if old {
		err = errors.Join(err, d.trimEvents(ctx, now), d.trimAttempts(ctx, now))
	}
	return err
}

// forgetExpired has the ledger forget the dead letters that the engine has removed by itself: for their age, or
// since there were more than retention.deadLetters allows. It removes no events.
func (d *Dispatcher) forgetExpired(ctx context.Context) error {
	first, err := d.log.FirstDeadLetter(ctx)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.usage.dead.cut(first)
	return nil
}

// trimEvents removes settled events that are old; never one above the floor.
func (d *Dispatcher) trimEvents(ctx context.Context, now time.Time) error {
	below, err := d.log.EventAt(ctx, now.Add(-d.opts.KeepEvents.Age))
	if errors.Is(err, eventlog.ErrNotFound) {
		below, err = math.MaxUint64, nil // all of them are older
	}
	if err != nil {
		return err
	}
	_, err = d.removeEvents(ctx, below)
	return err
}

// removeEvents removes the events below the sequence that are settled, and returns about how many they were.
func (d *Dispatcher) removeEvents(ctx context.Context, below uint64) (int64, error) {
	d.mu.Lock()
	below = min(below, d.storedFloor+1)
	d.mu.Unlock()
	first, err := d.log.FirstEvent(ctx)
	if err != nil || below <= first {
		return 0, err
	}
	if err := d.log.TrimEvents(ctx, below); err != nil {
		return 0, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.usage.events.cut(below).Messages, nil
}

// trimAttempts removes old flushes; never one that a restart needs.
func (d *Dispatcher) trimAttempts(ctx context.Context, now time.Time) error {
	below, err := d.log.FlushAt(ctx, now.Add(-d.opts.KeepAttempts.Age))
	if err != nil {
		return err
	}
	return d.removeAttempts(ctx, below)
}

// removeAttempts removes the flushes below the sequence that no restart needs.
func (d *Dispatcher) removeAttempts(ctx context.Context, below uint64) error {
	d.mu.Lock()
	needed := min(d.flushed, d.countersFlush)
	if oldest := d.live.oldest(); oldest != 0 {
		needed = min(needed, oldest)
	}
	d.mu.Unlock()
	first, last, err := d.log.FlushRange(ctx)
	if err != nil || last == 0 {
		return err
	}
	if below = min(below, needed); below <= first {
		return nil
	}
	return d.log.TrimAttempts(ctx, below)
}
