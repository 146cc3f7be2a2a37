// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/deliverylog"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

func TestFlush_IsTheFence(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	s.one(r)
	s.send("team-a", 1)
	s.delivered(1)
	s.d.mu.Lock()
	last := s.d.flushed
	s.d.mu.Unlock()
	others, err := s.d.attempts.Append(t.Context(), shard, last, &deliverylog.Flush{Floor: 1})
	if err != nil {
		t.Fatal(err)
	}
	s.send("team-a", 1)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.d.Failure(ctx); !errors.Is(err, eventlog.ErrFenced) {
		t.Errorf("failure is %v, want %v", err, eventlog.ErrFenced)
	}
	if s.d.Ready() == nil || s.d.Accepting() == nil {
		t.Error("is ready, or takes events, after it lost its shard")
	}
	if _, newest, err := s.log.FlushRange(t.Context()); err != nil || newest != others {
		t.Errorf("the newest flush is %d (%v), want the other owner's, %d", newest, err, others)
	}
	s.crash()
}
