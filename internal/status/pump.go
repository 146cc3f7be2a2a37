// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// pump spends one budget on some of the queues.
type pump struct {
	wake   <-chan struct{}
	levels []urgency
	// notices says whether Kubernetes Events are spent on too, before the last level.
	notices bool
	limit   *rate.Limiter
	slots   chan struct{}
}

// pump writes what its queues hold until ctx ends, and then waits for the writes that are under way.
func (w *Writer) pump(ctx context.Context, p pump) {
	var writes sync.WaitGroup
	defer writes.Wait()
	for {
		if !w.board.pending(p.notices, p.levels...) {
			select {
			case <-ctx.Done():
				return
			case <-p.wake:
			}
			continue
		}
		// What is taken is decided last, so that what is urgent need not wait for what came before it.
		if !sleepUntil(ctx, w.outage.until()) || p.limit.Wait(ctx) != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case p.slots <- struct{}{}:
		}
		j, ok := w.next(p)
		if !ok {
			<-p.slots
			continue
		}
		writes.Go(func() {
			defer func() { <-p.slots }()
			w.write(ctx, j)
		})
	}
}

// next returns the next write. A Kubernetes Event that comes before it is sent at once: the recorder
// queues it.
func (w *Writer) next(p pump) (job, bool) {
	last := len(p.levels) - 1
	for i, level := range p.levels {
		if i == last && p.notices {
			if n, ok := w.board.takeNotice(); ok {
				w.send(&n)
				return job{}, false
			}
		}
		if j, ok := w.board.take(time.Now(), level); ok {
			return j, true
		}
	}
	return job{}, false
}

// send records a Kubernetes Event.
func (w *Writer) send(n *notice) {
	regarding := corev1.ObjectReference(n.regarding)
	w.recorder.Eventf(&regarding, nil, n.eventType, n.reason, n.action, "%s", n.note)
}

// sleepUntil waits until t, at once when that is past. It returns false when ctx ends first.
func sleepUntil(ctx context.Context, t time.Time) bool {
	wait := time.Until(t)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(wait):
		return true
	}
}

// How long writing is held back when the API server does not take writes: it doubles with each
// attempt that fails.
const (
	minOutageWait = 500 * time.Millisecond
	maxOutageWait = 15 * time.Second
)

// outage remembers that the API server does not take writes, whatever they are about.
type outage struct {
	mu   sync.Mutex
	wait time.Duration
	end  time.Time
}

// began notes a failure. Those of writes that were under way together count as one. It returns how
// long writing is held back, and whether this is the first failure since the last success.
func (o *outage) began(err error, now time.Time) (wait time.Duration, first bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now.Before(o.end) {
		return o.end.Sub(now), false
	}
	first = o.wait == 0
	o.wait = min(max(2*o.wait, minOutageWait), maxOutageWait)
	wait = o.wait
	if asked, ok := apierrors.SuggestsClientDelay(err); ok {
		wait = min(max(wait, time.Duration(asked)*time.Second), time.Minute)
	}
	o.end = now.Add(wait)
	return wait, first
}

// over notes a success and reports whether there was an outage.
func (o *outage) over() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	was := o.wait > 0
	o.wait, o.end = 0, time.Time{}
	return was
}

// until returns when writing may be tried again.
func (o *outage) until() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.end
}
