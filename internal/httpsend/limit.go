// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// maxFreeLimits is how many limits are kept for later attempts: more than are in flight at a time, but for very large
// installations.
const maxFreeLimits = 1024

// limit ends an attempt's context after a time, with context.DeadlineExceeded for its cause. The context is used for one attempt after the other until it has ended: a new
// one for each, with its timer and its place among the children of the caller's, would be a twentieth of what a
// delivery costs.
type limit struct {
	parent, ctx context.Context
	cancel      context.CancelCauseFunc
	timer       *time.Timer
}

// limits keeps limits for later attempts.
type limits struct {
	mu     sync.Mutex
	free   []*limit
	closed bool
}

// begin returns a limit that ends its context after the timeout, and with the parent.
func (s *limits) begin(parent context.Context, timeout time.Duration) *limit {
	if l := s.take(); l != nil {
		if l.parent == parent {
			l.timer.Reset(timeout)
			return l
		}
		l.cancel(nil)
	}
	l := &limit{parent: parent}
	l.ctx, l.cancel = context.WithCancelCause(parent)
	l.timer = time.AfterFunc(timeout, func() { l.cancel(context.DeadlineExceeded) })
	return l
}

// take returns a limit that is kept; nil when there is none.
func (s *limits) take() *limit {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) == 0 {
		return nil
	}
	last := len(s.free) - 1
	l := s.free[last]
	s.free[last] = nil
	s.free = s.free[:last]
	return l
}

// end stops a limit. It is kept where nothing of the attempt can be left: after an answer over HTTP/1, whose connection
// is closed unless the request was written and the answer read to its end. Whatever else the attempt began ends with its
// context.
func (s *limits) end(l *limit, answer *http.Response) {
	if !l.timer.Stop() || answer == nil || answer.ProtoMajor != 1 || !s.keep(l) {
		l.cancel(nil)
	}
}

// keep reports whether the limit is now kept.
func (s *limits) keep(l *limit) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.free) >= maxFreeLimits || l.ctx.Err() != nil {
		return false
	}
	s.free = append(s.free, l)
	return true
}

// close ends all that are kept, and keeps no more.
func (s *limits) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, l := range s.free {
		l.cancel(nil)
	}
	s.free = nil
}
