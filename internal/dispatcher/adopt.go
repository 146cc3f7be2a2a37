// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"math"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// adopt finds what an earlier try stored though its acknowledgement was lost, so that the next one does not
// store it again: a second copy would be a second delivery. Nobody else stores behind the checkpoint, earlier runs
// apart.
func (d *Dispatcher) adopt(ctx context.Context, c *checkpoint, ops []*op) error {
	waits, dead := map[step]func(seq uint64, size int){}, map[pair]*op{}
	for _, o := range ops {
		if o.store != nil && o.storeSeq == 0 {
			waits[stepOf(o.store)] = func(seq uint64, size int) { o.storeSeq, o.storeSize = seq, waitingSize(o.store, size) }
		}
		if o.forward != nil && o.forwardSeq == 0 {
			waits[stepOf(o.forward)] = func(seq uint64, size int) { o.forwardSeq, o.forwardSize = seq, waitingSize(o.forward, size) }
		}
		if o.dead != nil {
			dead[pairOf(o.dead)] = o
		}
	}
	if err := d.log.ScanWaiting(ctx, max(c.lastWaiting, d.scanTo)+1, math.MaxUint64, func(m eventlog.Message) {
		s, err := delivery.DecodeStored(m.Data)
		if err != nil {
			d.unreadable(m.Seq, err)
			return
		}
		if found, ok := waits[stepOf(s)]; ok {
			found(m.Seq, waitingSize(s, len(m.Data)))
		}
	}); err != nil {
		return err
	}
	return d.log.ScanDeadLetters(ctx, c.lastDeadLetter+1, func(m eventlog.Message) {
		s, err := delivery.DecodeStored(m.Data)
		if err != nil {
			d.unreadable(m.Seq, err)
			return
		}
		if o, ok := dead[pairOf(s)]; ok {
			d.deadStored(m.Seq, o, s, len(m.Data))
		}
	})
}

// step names what follows from one attempt: a delivery may be parked in flight and tried again in one flush.
type step struct {
	pair
	attempts int
}

// stepOf is after which attempt it was stored.
func stepOf(s *delivery.Stored) step { return step{pairOf(s), s.Attempts} }

// pairOf is whose stored delivery it is.
func pairOf(s *delivery.Stored) pair { return pair{s.EventSeq, s.Subscription, s.Kind} }
