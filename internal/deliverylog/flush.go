// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package deliverylog

import (
	"bytes"
	"context"
	"fmt"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/wire"
)

// Flush is one message of the attempt log: records, and the checkpoint that includes them. Since
// both are one message, the floor never runs ahead of the records.
type Flush struct {
	// Floor is the sequence up to which every event is settled: the records of all its deliveries
	// are stored.
	Floor uint64
	// ScanFrom is the oldest flush that a restart must read: it holds records above the floor, or
	// records whose predecessor may not have been removed yet. 0 means this flush itself.
	ScanFrom uint64
	// LastWaiting and LastDeadLetter are the newest waiting delivery and dead letter that are stored
	// and whose records are in this flush or an earlier one.
	LastWaiting, LastDeadLetter uint64
	Records                     []delivery.Record
}

// flushVersion is the version of the flushes that encode writes; see package wire.
const flushVersion = 1

// Fields of a flush. Number 1 is the version.
const (
	flushFloor wire.Number = iota + 2
	flushScanFrom
	flushLastWaiting
	flushLastDeadLetter
	flushRecord
)

// encode is the flush as it is stored.
func (f *Flush) encode() []byte {
	dst := wire.AppendVersion(nil, flushVersion)
	dst = wire.AppendUint(dst, flushFloor, f.Floor)
	dst = wire.AppendUint(dst, flushScanFrom, f.ScanFrom)
	dst = wire.AppendUint(dst, flushLastWaiting, f.LastWaiting)
	dst = wire.AppendUint(dst, flushLastDeadLetter, f.LastDeadLetter)
	var buf []byte
	for i := range f.Records {
		buf = f.Records[i].Append(buf[:0])
		dst = wire.AppendBytes(dst, flushRecord, buf)
	}
	return dst
}

// Equal reports whether another flush is stored as the same bytes.
func (f *Flush) Equal(other *Flush) bool { return bytes.Equal(f.encode(), other.encode()) }

// decodeFlush reads what encode wrote.
func decodeFlush(b []byte) (*Flush, error) {
	f := &Flush{}
	var failed error
	err := wire.Read(b, flushVersion, func(field wire.Field) {
		switch field.Number {
		case flushFloor:
			f.Floor = field.Uint
		case flushScanFrom:
			f.ScanFrom = field.Uint
		case flushLastWaiting:
			f.LastWaiting = field.Uint
		case flushLastDeadLetter:
			f.LastDeadLetter = field.Uint
		case flushRecord:
			r, err := delivery.DecodeRecord(field.Bytes)
			if err != nil && failed == nil {
				failed = err
			}
			f.Records = append(f.Records, r)
		}
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return nil, fmt.Errorf("decode flush: %w", err)
	}
	return f, nil
}

// Log is the attempt log over an event log.
type Log struct {
	log    *eventlog.Log
	bounds bounds
}

// New returns the attempt log that is kept in the event log.
func New(l *eventlog.Log) *Log { return &Log{l, defaultBounds} }

// Append stores a shard's next flush and returns its sequence. expected is the sequence of the one
// before; eventlog.ErrFenced means that the shard has another owner.
func (l *Log) Append(ctx context.Context, shard int, expected uint64, f *Flush) (uint64, error) {
	return l.log.AppendFlush(ctx, shard, expected, f.encode())
}

// Last reads a shard's newest flush and its sequence; eventlog.ErrNotFound when there is none.
func (l *Log) Last(ctx context.Context, shard int) (*Flush, uint64, error) {
	m, err := l.log.LastFlush(ctx, shard)
	if err != nil {
		return nil, 0, err
	}
	f, err := decodeFlush(m.Data)
	return f, m.Seq, err
}

// Scan calls handle for a shard's flushes from the sequence on, oldest first, until one fails.
func (l *Log) Scan(ctx context.Context, shard int, from uint64, handle func(seq uint64, f *Flush)) error {
	var failed error
	err := l.log.ScanFlushes(ctx, shard, from, func(m eventlog.Message) {
		f, err := decodeFlush(m.Data)
		if err != nil {
			failed = err
			return
		}
		handle(m.Seq, f)
	})
	if err == nil {
		err = failed
	}
	return err
}
