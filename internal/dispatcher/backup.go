// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"errors"
	"io"
)

// errBusy appears when a backup cannot be made at the moment.
var errBusy = errors.New("a backup is being made already, or deliveries of earlier runs are still being read: try again")

// Backup writes a backup of the event log while events are taken and delivered. It holds what was accepted
// before it began, and of what came later some. Nothing is removed while it is made. A restore from it is
// like a recovery after a crash at its beginning: what ended since then is sent again.
func (d *Dispatcher) Backup(ctx context.Context, w io.Writer) error {
	if !d.replaced.trimming.TryLock() {
		return errBusy
	}
	defer d.replaced.trimming.Unlock()
	if !d.holdRemovals() {
		return errBusy
	}
	defer d.releaseRemovals()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(d.storing, cancel)
	defer stop()
	return d.log.Backup(ctx, w)
}

// holdRemovals keeps replaced deliveries in storage. It reports false while those of earlier runs are read,
// since what is obsolete among them is removed then.
func (d *Dispatcher) holdRemovals() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.scanned {
		return false
	}
	d.replaced.held = true
	return true
}

// releaseRemovals removes what was replaced meanwhile.
func (d *Dispatcher) releaseRemovals() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.replaced.held = false
	d.signalRemove()
}
