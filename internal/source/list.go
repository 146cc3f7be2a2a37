// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	apiwatch "k8s.io/apimachinery/pkg/watch"

	"github.com/posthorn-dev/posthorn/internal/change"
)

// pageSize is how many objects a list asks for at a time where the API server cannot stream them.
const pageSize = 500

// compare lists all objects and compares them with what is remembered: what differs happened meanwhile.
func (w *watch) compare(ctx context.Context, need map[string]bool) error {
	w.enter(relisting, "")
	last, begun := w.written.Time, w.begun()
	if w.written.Version == 0 {
		// What a first list tells of must be found by a run that begins where this one is broken off.
		if err := w.checkpoint(ctx, true); err != nil {
			return err
		}
	}
	b := newBatch()
	version, err := w.compareAll(ctx, b, need)
	if err != nil {
		// What came before a failure is done all the same: the next list finds that it is known.
		return errors.Join(err, w.commit(ctx, b))
	}
	if err := w.conclude(ctx, b, need, version); err != nil {
		return err
	}
	if err := w.declareGap(ctx, last, begun); err != nil {
		return err
	}
	w.version, w.recovering, w.upToDate = version, false, time.Now()
	return w.checkpoint(ctx, true)
}

// compareAll takes in what there is, and what there is no more.
func (w *watch) compareAll(ctx context.Context, b *batch, need map[string]bool) (version string, err error) {
	version, err = w.all(ctx, func(o *observation) error { return w.takeListed(ctx, b, o, need) })
	if err != nil {
		return "", err
	}
	w.miss()
	for _, e := range w.entries {
		if e.seen == w.list || e.gone {
			continue
		}
		if err := w.takeMissing(ctx, b, e); err != nil {
			return "", err
		}
	}
	return version, nil
}

// miss makes entries of the objects that an earlier run told of and did not come to remember, and that are gone.
func (w *watch) miss() {
	if !w.recovering || w.key.fieldSelector != "" {
		return
	}
	for _, t := range w.plan.takers {
		for k, last := range w.sent.told {
			o := last.object
			if k[0] != t.origin() || last.gone || last.sequence <= w.remembered || w.entries[o.UID] != nil || o.Kind != w.key.resource.Kind ||
				o.APIVersion != w.key.resource.APIVersion() || w.key.namespace != "" && w.key.namespace != o.Namespace {
				continue
			}
			w.entries[o.UID] = &entry{uid: o.UID, namespace: w.names.of(o.Namespace), name: o.Name}
		}
	}
}

// begun returns the takers that had gone through all objects before.
func (w *watch) begun() []*taker {
	var begun []*taker
	for _, t := range w.plan.takers {
		if w.records[t.id].Begun && !t.held {
			begun = append(begun, t)
		}
	}
	return begun
}

// introduce has some takers go through all objects, while the watch stays where it is for the others.
func (w *watch) introduce(ctx context.Context, need map[string]bool) error {
	w.introducing = true
	defer func() { w.introducing = false }()
	b := newBatch()
	version, err := w.all(ctx, func(o *observation) error { return w.takeListed(ctx, b, o, need) })
	if err != nil {
		return errors.Join(err, w.commit(ctx, b))
	}
	if err := w.conclude(ctx, b, need, version); err != nil {
		return err
	}
	return w.checkpoint(ctx, true)
}

// takeListed takes in an object of a list.
func (w *watch) takeListed(ctx context.Context, b *batch, o *observation, need map[string]bool) error {
	if err := w.observe(ctx, b, o, need); err != nil {
		return err
	}
	return w.flush(ctx, b)
}

// takeMissing takes in that an object is not in the list.
func (w *watch) takeMissing(ctx context.Context, b *batch, e *entry) error {
	o := &observation{ref: e.reference(w.key.resource), gone: true, net: true, at: time.Now()}
	if err := w.observe(ctx, b, o, nil); err != nil {
		return err
	}
	return w.flush(ctx, b)
}

// flush writes a batch that has grown large.
func (w *watch) flush(ctx context.Context, b *batch) error {
	if len(b.dirty) < batchSize {
		return nil
	}
	if err := w.commit(ctx, b); err != nil {
		return err
	}
	*b = *newBatch()
	return nil
}

// conclude tells of the objects that are gone, and lets the takers begin.
func (w *watch) conclude(ctx context.Context, b *batch, need map[string]bool, version string) error {
	for _, e := range w.entries {
		if e.gone || w.introducing && e.seen != w.list {
			if err := w.tellGone(ctx, b, e, need); err != nil {
				return errors.Join(err, w.commit(ctx, b))
			}
			if err := w.flush(ctx, b); err != nil {
				return err
			}
		}
	}
	if err := w.commit(ctx, b); err != nil {
		return err
	}
	for _, t := range w.plan.takers {
		r := w.records[t.id]
		if !need[t.id] || w.refused[t.source.Name.Namespace] {
			continue
		}
		r.Shape, r.Held, r.Begun, r.From, r.Expression = t.shape, false, true, number(version), t.policy.ExpressionKey()
	}
	return nil
}

// tellGone tells the takers of an object that is gone, by its last state. Where the watch has yet to see that, it stays
// for the others.
func (w *watch) tellGone(ctx context.Context, b *batch, e *entry, need map[string]bool) error {
	old, err := w.lastStates(ctx, b, e)
	if err != nil {
		return err
	}
	w.count(e, -1)
	defer func() { w.count(w.entries[e.uid], 1) }()
	for _, t := range w.plan.takers {
		p := e.part(t.id)
		if p == nil || !need[t.id] {
			continue
		}
		op := change.Deleted
		if p.extra != nil {
			op = merge(p.extra.pending, change.Deleted)
		}
		if op != "" && w.records[t.id].Begun {
			o := &observation{ref: e.reference(w.key.resource), gone: true, net: true, at: time.Now()}
			w.judge(b, t, p, judgement{op: op, e: e, o: o, old: old, net: true})
		}
		e.drop(t.id)
		b.dirty[e.uid] = struct{}{}
	}
	if e.gone && !e.waits() {
		w.letGo(b, e)
	} else if _, dirty := b.dirty[e.uid]; dirty {
		b.kept[e.uid] = old
	}
	return nil
}

// all calls handle for every object that there is, and returns the version of which that is true.
func (w *watch) all(ctx context.Context, handle func(*observation) error) (version string, err error) {
	select {
	case w.lists <- struct{}{}:
		defer func() { <-w.lists }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	w.list++
	w.meter.lists.WithLabelValues(kindLabel(w.key.resource)).Inc()
	version, err = w.stream(ctx, handle)
	if isUnsupported(err) {
		w.list++ // what the stream showed may be gone by now
		version, err = w.pages(ctx, handle)
	}
	return version, err
}

// errNoStream is what stream returns where the API server took the request for one of a plain watch.
var errNoStream = errors.New("the API server does not stream lists")

// isUnsupported reports whether the API server cannot stream a list.
func isUnsupported(err error) bool {
	return errors.Is(err, errNoStream) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)
}

// stream has the API server send all objects as a watch does, one by one (WatchList).
func (w *watch) stream(ctx context.Context, handle func(*observation) error) (version string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	initial := true
	stream, err := w.client.watch(ctx, w.target(), metav1.ListOptions{
		SendInitialEvents: &initial, AllowWatchBookmarks: true,
		ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	})
	if err != nil {
		return "", err
	}
	defer stream.Stop()
	stale := time.NewTimer(w.staleAfter)
	defer stale.Stop()
	for {
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-stale.C:
			return "", w.stale()
		case ev, ok := <-stream.ResultChan():
			if !ok {
				return "", errors.New("the API server ended the list before its end")
			}
			stale.Reset(w.staleAfter)
			switch ev.Type {
			case apiwatch.Error:
				return "", failure(ev.Object)
			case apiwatch.Bookmark:
				m, err := meta.Accessor(ev.Object)
				if err != nil {
					return "", fmt.Errorf("read bookmark: %w", err)
				}
				if m.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true" {
					return m.GetResourceVersion(), nil
				}
			case apiwatch.Added:
				if err := w.handle(ev.Object, handle); err != nil {
					return "", err
				}
			case apiwatch.Modified, apiwatch.Deleted:
				return "", errNoStream // not before the bookmark
			}
		}
	}
}

// pages lists all objects page by page.
func (w *watch) pages(ctx context.Context, handle func(*observation) error) (version string, err error) {
	o := metav1.ListOptions{Limit: pageSize}
	for {
		items, next, v, err := w.client.list(ctx, w.target(), o)
		if err != nil {
			return "", err
		}
		for _, item := range items {
			if err := w.handle(item, handle); err != nil {
				return "", err
			}
		}
		if next == "" {
			return v, nil
		}
		o.Continue = next
	}
}

// handle hands over an object of a list.
func (w *watch) handle(item runtime.Object, handle func(*observation) error) error {
	object, err := content(item, w.key.resource)
	if err != nil {
		return err
	}
	w.live()
	return handle(look(object, false, w.version == "", time.Now()))
}
