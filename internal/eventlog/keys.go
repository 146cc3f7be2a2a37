// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// PutKey remembers what came of an Idempotency-Key, for Options.KeyAge. key is a subject token: the
// caller hashes what the producer sent.
func (l *Log) PutKey(ctx context.Context, key string, value []byte) error {
	seq, err := publish(l.producer, subjectKeys+key, value).Wait(ctx)
	if err == nil {
		l.countEvictions(ctx, seq)
	}
	return err
}

// GetKey reads what came of an Idempotency-Key.
func (l *Log) GetKey(ctx context.Context, key string) (value []byte, ok bool, err error) {
	found, err := l.page(ctx, streamKeys, getRequest{Seq: 1, Batch: 1, NextFor: subjectKeys + key})
	if err != nil || len(found) == 0 {
		return nil, false, err
	}
	return found[0].Data, true, nil
}

// EvictedKeys is how many Idempotency-Keys were forgotten before Options.KeyAge since the log was opened, to make
// room for others. It is behind by a thousandth of Options.MaxKeys at most.
func (l *Log) EvictedKeys() uint64 { return l.evictions.count.Load() }

// keyEvictions counts keys that went before their time. The engine removes them without a word, so their number
// comes from what it held at two moments.
type keyEvictions struct {
	count atomic.Uint64

	mu   sync.Mutex
	seen jetstream.StreamState
	at   time.Time
}

// countEvictions looks at the keys once enough were put since the last time that some must have gone. The last of
// them got that sequence.
func (l *Log) countEvictions(ctx context.Context, seq uint64) {
	e := &l.evictions
	if !e.mu.TryLock() {
		return // the next key counts what this one evicted
	}
	defer e.mu.Unlock()
	bound := uint64(l.opts.MaxKeys) //nolint:gosec // a positive number
	if e.seen.Msgs+max(seq, e.seen.LastSeq)-e.seen.LastSeq < bound+max(bound/1000, 1) {
		return
	}
	info, err := l.info(ctx, l.keys, "look at keys")
	if err != nil {
		return // the next key counts
	}
	now, oldest := time.Now(), e.seen.FirstTime
	if e.seen.Msgs == 0 {
		oldest = e.at
	}
	gone := e.seen.Msgs + info.State.LastSeq - e.seen.LastSeq - info.State.Msgs
	// What is gone below the bound was put again, and of keys that may have reached their age it is not known
	// what took them.
	if info.State.Msgs >= bound && now.Sub(oldest) < l.opts.KeyAge {
		e.count.Add(gone)
	}
	e.see(info.State, now)
}

// see takes note of what the engine holds. The caller holds the mutex, or is the only one to know the log.
func (e *keyEvictions) see(s jetstream.StreamState, at time.Time) { e.seen, e.at = s, at }
