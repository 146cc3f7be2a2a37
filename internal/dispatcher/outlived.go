// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/posthorn-dev/posthorn/internal/deliverylog"
)

// syncMargin is added to two sync intervals: what is older was synced, however late the engine came to it.
const syncMargin = time.Second

// dropOutlived removes the newest flushes as long as they name waiting deliveries or dead letters that are not
// there. After a loss of power every stream ends where it was last synced, and not all at the same moment: a flush
// that outlived what was stored before it would have a delivery taken for settled of which nothing is left. Its
// attempts are made again.
//
// It goes back no further than syncs may be apart: nothing older can be missing. Only of a new volume the first flush
// may be as young as that; it goes, too, and the volume begins anew.
func (d *Dispatcher) dropOutlived(ctx context.Context, r *recovery) error {
	last, seq, err := d.attempts.Last(ctx, shard)
	if err != nil {
		return err
	}
	waiting, err := d.log.LastWaiting(ctx)
	if err != nil {
		return err
	}
	dead, err := d.log.LastDeadLetter(ctx)
	if err != nil {
		return err
	}
	r.storedWaiting, r.storedDeadLetter = waiting, dead
	outlived := func(f *deliverylog.Flush) bool { return f.LastWaiting > waiting || f.LastDeadLetter > dead }
	if !outlived(last) {
		return nil
	}
	from, err := d.syncedFlush(ctx)
	if err != nil {
		return err
	}
	var drop []uint64
	stays := from > 0
	err = d.attempts.Scan(ctx, shard, from, func(seq uint64, f *deliverylog.Flush) {
		if drop == nil && stays || !outlived(f) {
			drop = []uint64{} // this one stays, and with it all before it
			return
		}
		drop = append(drop, seq)
		for i := range f.Records {
			record := &f.Records[i]
			r.lastEvent = max(r.lastEvent, record.EventSeq)
			d.revokeRestored(seq, record)
		}
	})
	if err != nil {
		return err
	}
	d.logger.Warn("Dropped attempts that outlived what they stored, as after a loss of power", "flush", seq, "dropped", len(drop),
		"lastWaiting", waiting, "lastDeadLetter", dead)
	for _, seq := range slices.Backward(drop) { // the newest first, so that a crash meanwhile leaves a log without holes
		if err := d.log.RemoveFlush(ctx, seq); err != nil {
			return fmt.Errorf("drop flush %d: %w", seq, err)
		}
	}
	return nil
}

// syncedFlush is the newest flush that is so old that all it names was synced; where none is, the one before the
// oldest, which is 0 when no flush was ever trimmed.
func (d *Dispatcher) syncedFlush(ctx context.Context) (uint64, error) {
	last, err := d.log.LastFlush(ctx, shard)
	if err != nil {
		return 0, err
	}
	seq, err := d.log.FlushAt(ctx, last.Time.Add(-2*d.log.SyncInterval()-syncMargin))
	return max(seq, 1) - 1, err
}

// skipEvents has the event log number no event as one that was known before it lost its end.
func (d *Dispatcher) skipEvents(ctx context.Context, r *recovery) error {
	last := max(r.lastEvent, r.floor)
	for _, p := range d.restored.positions {
		last = max(last, p.Start)
	}
	for p := range r.recorded {
		last = max(last, p.seq)
	}
	for p := range r.late {
		last = max(last, p.seq)
	}
	for p := range r.dead {
		last = max(last, p.seq)
	}
	skipped, err := d.log.SkipEvents(ctx, last)
	if skipped > 0 {
		d.logger.Warn("Skipped numbers of events that are no longer there, as after a loss of power", "last", last, "skipped", skipped)
	}
	return err
}

// clampToStored keeps a checkpoint from naming what will be stored anew under the same sequence.
func (r *recovery) clampToStored(f *deliverylog.Flush) {
	f.LastWaiting = min(f.LastWaiting, r.storedWaiting)
	f.LastDeadLetter = min(f.LastDeadLetter, r.storedDeadLetter)
}
