// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// AppendFlush stores one flush of a shard and returns its sequence. It is stored only when the
// shard's last flush is the expected one (0: there is none): somebody else's flush in between is
// ErrFenced, since then the shard has another owner.
func (l *Log) AppendFlush(ctx context.Context, shard int, expected uint64, data []byte) (uint64, error) {
	ack, err := l.core.Publish(ctx, flushSubject(shard), data, jetstream.WithExpectLastSequencePerSubject(expected))
	if err != nil {
		return 0, classify("append flush", err)
	}
	return ack.Sequence, nil
}

// LastFlush reads a shard's last flush; ErrNotFound when there is none.
func (l *Log) LastFlush(ctx context.Context, shard int) (Message, error) {
	m, err := l.attempts.GetLastMsgForSubject(ctx, flushSubject(shard))
	if err != nil {
		return Message{}, classify("read last flush", err)
	}
	return Message{Seq: m.Sequence, Time: m.Time, Data: m.Data}, nil
}

// ScanFlushes calls handle for a shard's flushes from the sequence on, oldest first.
func (l *Log) ScanFlushes(ctx context.Context, shard int, from uint64, handle func(Message)) error {
	return l.scan(ctx, l.attempts, flushSubject(shard), from, handle)
}

// Flushes reads the flushes of all shards in the range [from, to], oldest first.
func (l *Log) Flushes(ctx context.Context, from, to uint64) ([]Message, error) {
	if to < from {
		return nil, nil
	}
	var all []Message
	for from = max(from, 1); from <= to; {
		n := int(to - from + 1) //nolint:gosec // a page
		found, err := l.page(ctx, streamAttempts, getRequest{Seq: from, Batch: n, NextFor: subjectAttempts + ">"})
		if err != nil || len(found) == 0 {
			return all, err
		}
		for _, m := range found { // fewer than asked for when they are large
			if m.Seq <= to {
				all = append(all, m)
			}
		}
		from = found[len(found)-1].Seq + 1
	}
	return all, nil
}

// RemoveFlush removes one flush; ErrNotFound when it is not there.
func (l *Log) RemoveFlush(ctx context.Context, seq uint64) error {
	asking, done := l.engine.during(ctx)
	defer done()
	return classify("remove flush", l.attempts.DeleteMsg(asking, seq))
}

// FlushRange is the first and the last sequence of the attempt log; first > last when it is empty.
func (l *Log) FlushRange(ctx context.Context) (first, last uint64, err error) {
	info, err := l.info(ctx, l.attempts, "read attempt log's range")
	if err != nil {
		return 0, 0, err
	}
	return max(info.State.FirstSeq, 1), info.State.LastSeq, nil
}

// AttemptBytes is the size of the attempt log.
func (l *Log) AttemptBytes(ctx context.Context) (int64, error) {
	info, err := l.info(ctx, l.attempts, "read attempt log's size")
	if err != nil {
		return 0, err
	}
	return int64(info.State.Bytes), nil //nolint:gosec // bytes on a disk
}

// TrimAttempts removes the flushes below the sequence. The caller answers for no restart's needing
// them.
func (l *Log) TrimAttempts(ctx context.Context, below uint64) error {
	return l.purge(ctx, l.attempts, "trim attempt log", jetstream.WithPurgeSequence(below))
}

// FlushAt is the sequence of the first flush at or after the time, and one past the last flush when
// all are older.
func (l *Log) FlushAt(ctx context.Context, at time.Time) (uint64, error) {
	seq, err := l.at(ctx, l.attempts, at)
	if errors.Is(err, ErrNotFound) {
		_, last, err := l.FlushRange(ctx)
		return last + 1, err
	}
	return seq, err
}

// flushSubject is where a shard's flushes are.
func flushSubject(shard int) string { return subjectAttempts + strconv.Itoa(shard) }
