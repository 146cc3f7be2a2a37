// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiwatch "k8s.io/apimachinery/pkg/watch"
)

// How a watch proves that it lives: the API server sends a bookmark every minute or so.
const (
	// minWatch is how long the API server keeps a watch open at least; it is twice that at most, so that not all
	// of them end at once.
	minWatch = 5 * time.Minute
	// briefWatch is how long a watch lasts at least that does not end as soon as it begins.
	briefWatch = time.Second
)

// errBrief ends a watch that showed nothing. Without a wait the next would be asked for at once.
var errBrief = errors.New("the API server ended the watch as soon as it had begun")

// stale is the error of a watch that showed no life.
func (w *watch) stale() error {
	return fmt.Errorf("the watch showed neither a change nor a bookmark for %s", w.staleAfter)
}

// While a watch takes in the changes since it was last up to date, what must hold for a while waits: it may have
// ended meanwhile. The API server sends them at once, and does not say which is the last.
const (
	// quietFor is how long nothing comes when all of them are there.
	quietFor = time.Second
	// maxCatchUp bounds the wait where changes never cease.
	maxCatchUp = 10 * time.Second
)

// catchUp is whether a watch has taken in the changes since it was last up to date.
type catchUp struct {
	begun       time.Time
	quiet       *time.Timer
	shown, done bool
}

func newCatchUp() *catchUp { return &catchUp{begun: time.Now(), quiet: time.NewTimer(quietFor)} }

// shows notes that something came.
func (c *catchUp) shows() {
	c.shown = true
	if c.done = c.done || time.Since(c.begun) > maxCatchUp; !c.done {
		c.quiet.Reset(quietFor)
	}
}

// ended returns why a watch ended; nil when that is how watches end.
func (c *catchUp) ended() error {
	if !c.shown && time.Since(c.begun) < briefWatch {
		return errBrief
	}
	return nil
}

// target is what the watch reads.
func (w *watch) target() target { return target{w.plan.resource, w.key} }

// follow takes in changes as they happen, from the version up to which all is done. It returns nil when the watch
// ended as watches do, or when there is something else to do.
func (w *watch) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	seconds := int64((minWatch + rand.N(minWatch)).Seconds()) //nolint:gosec // spreads load
	stream, err := w.client.watch(ctx, w.target(), metav1.ListOptions{
		ResourceVersion: w.version, AllowWatchBookmarks: true, TimeoutSeconds: &seconds,
	})
	if err != nil {
		return w.expired(err)
	}
	defer stream.Stop()
	if !w.silent {
		w.live()
	}
	w.tell()
	w.enter(following, "")
	return w.expired(w.receive(ctx, stream))
}

// expired has the next turn list, where the API server no longer knows the version.
func (w *watch) expired(err error) error {
	if !isExpired(err) {
		return err
	}
	w.logger.Info("Compares all objects with what is remembered, since the API server no longer knows the changes from the checkpoint on",
		"resourceVersion", w.version)
	w.version = ""
	return nil
}

// receive takes in what a watch sends, until it ends.
func (w *watch) receive(ctx context.Context, stream apiwatch.Interface) error {
	stale := time.NewTimer(w.staleAfter)
	defer stale.Stop()
	tick := time.NewTicker(checkpointInterval)
	defer tick.Stop()
	up := newCatchUp()
	defer up.quiet.Stop()
	for {
		timer, err := w.ring(ctx, up)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.changed:
			return nil
		case <-stale.C:
			w.silent = true
			return w.stale()
		case <-up.quiet.C:
			up.done = true
		case <-tick.C:
			if err := w.housekeep(ctx); err != nil || len(w.pendingNeeds()) > 0 {
				return err
			}
		case <-timer:
		case first, ok := <-stream.ResultChan():
			if !ok {
				return up.ended()
			}
			up.shows()
			w.silent = false
			if err := w.take(ctx, first, stream.ResultChan()); err != nil {
				return err
			}
			stale.Reset(w.staleAfter) // it may have waited for the event log
		}
	}
}

// housekeep does what is done from time to time.
func (w *watch) housekeep(ctx context.Context) error {
	if !w.retry.IsZero() && time.Now().After(w.retry) {
		w.readmit()
		if err := w.retell(ctx); err != nil {
			return err
		}
	}
	w.timers.prune(w.awaits)
	return w.checkpoint(ctx, false)
}

// pendingNeeds returns the takers that have to go through all objects.
func (w *watch) pendingNeeds() map[string]bool {
	need, _ := w.needs()
	return need
}

// timer fires when a timer is due.
func (w *watch) timer() <-chan time.Time {
	due, ok := w.timers.next()
	if !ok {
		return nil
	}
	return time.After(time.Until(due))
}

// ring takes in the timers that are due, once the watch has caught up, and returns when the next is.
func (w *watch) ring(ctx context.Context, up *catchUp) (<-chan time.Time, error) {
	if !up.done {
		return nil, nil
	}
	for {
		due, ok := w.timers.next()
		if !ok || due.After(time.Now()) {
			return w.timer(), nil
		}
		b := newBatch()
		failed := w.expire(b, time.Now(), func(e *entry) (objects, error) { return w.lastStates(ctx, b, e) })
		// What came before a failure is done all the same.
		if err := errors.Join(failed, w.commit(ctx, b)); err != nil {
			return nil, err
		}
	}
}

// take takes in a change and those that have come behind it meanwhile, in one batch.
func (w *watch) take(ctx context.Context, first apiwatch.Event, more <-chan apiwatch.Event) error {
	b := newBatch()
	version, failed := w.version, error(nil)
	for next, ok := first, true; ok; {
		var v string
		if v, failed = w.takeOne(ctx, b, next); failed != nil {
			break
		}
		version = v
		if len(b.dirty) >= batchSize {
			break
		}
		select {
		case next, ok = <-more:
		default:
			ok = false
		}
	}
	if ctx.Err() != nil {
		return ctx.Err() // what was looked at last was perhaps not looked at whole
	}
	// What came before a failure is done all the same.
	if err := w.commit(ctx, b); err != nil {
		return err
	}
	w.version = version
	w.live()
	if failed != nil {
		return failed
	}
	w.upToDate = w.alive
	if n := number(version); n != 0 && n >= w.toldUpTo {
		w.recovering = false
	}
	return w.checkpoint(ctx, false)
}

// takeOne takes in one change, and returns its version.
func (w *watch) takeOne(ctx context.Context, b *batch, ev apiwatch.Event) (version string, err error) {
	switch ev.Type {
	case apiwatch.Error:
		return "", failure(ev.Object)
	case apiwatch.Bookmark:
		m, err := meta.Accessor(ev.Object)
		if err != nil {
			return "", fmt.Errorf("read bookmark: %w", err)
		}
		return m.GetResourceVersion(), nil
	case apiwatch.Added, apiwatch.Modified, apiwatch.Deleted:
	}
	object, err := content(ev.Object, w.key.resource)
	if err != nil {
		return "", err
	}
	o := look(object, ev.Type == apiwatch.Deleted, false, time.Now())
	o.added = ev.Type == apiwatch.Added
	w.meter.observed(w.key, o)
	if err := w.observe(ctx, b, o, nil); err != nil {
		return "", err
	}
	return o.ref.ResourceVersion, nil
}

// fail says why the watch does not go on, and waits before it is tried again.
func (w *watch) fail(ctx context.Context, err error, wait time.Duration) {
	switch {
	case apierrors.IsForbidden(err):
		w.enter(forbidden, "")
	case apierrors.IsNotFound(err):
		w.enter(notServed, "")
	case w.key.fieldSelector != "" && apierrors.IsBadRequest(err):
		w.enter(refused, reasonOf(err))
	default:
		w.enter(stalled, reasonOf(err))
	}
	w.tell()
	if after, ok := apierrors.SuggestsClientDelay(err); ok {
		wait = max(wait, time.Duration(after)*time.Second)
	}
	w.logger.Warn("Could not watch a resource", "error", err, "nextAttemptIn", wait)
	select {
	case <-ctx.Done():
	case <-w.changed:
	case <-time.After(wait):
	}
}

// reasonOf returns an error as a clause for users.
func reasonOf(err error) string {
	const most = 200
	s := err.Error()
	if len(s) > most {
		s = s[:most] + "…"
	}
	return s
}
