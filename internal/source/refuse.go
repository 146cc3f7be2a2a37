// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"net/http"
	"time"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/problem"
)

// isRefusal reports whether an error of ingest is about the namespace alone: it holds its share.
func isRefusal(err error) bool {
	return err != nil && problem.From(err).Status == http.StatusTooManyRequests
}

// How long a namespace that holds its share is left alone before it is tried again.
const minRefused, maxRefused = 5 * time.Second, time.Minute

// refuse remembers that a namespace may store no more for now.
func (w *watch) refuse(namespace string) {
	w.waits = min(max(minRefused, 2*w.waits), maxRefused)
	w.refused[namespace], w.retry = true, time.Now().Add(w.waits)
	w.logger.Warn("Holds back events of resources, since the namespace holds its share of the event log",
		"namespace", namespace, "nextAttemptIn", w.waits)
}

// readmit has the refused namespaces tried again: their takers go through all objects for what waits.
func (w *watch) readmit() {
	for _, t := range w.plan.takers {
		if w.refused[t.source.Name.Namespace] {
			w.records[t.id].Held = true
		}
	}
	w.refused, w.retry = map[string]bool{}, time.Time{}
}

// retell has the gaps told that were refused.
func (w *watch) retell(ctx context.Context) error {
	b := newBatch()
	b.emissions, w.untold = w.untold, nil
	return w.store(ctx, b)
}

// takeBack undoes what the emissions changed, and remembers what happened.
func (w *watch) takeBack(b *batch, emissions []emission) {
	taken := map[[2]string]*extra{}
	for _, m := range emissions {
		if m.uid == "" {
			w.untold = append(w.untold, m) // a gap, which is about no object
			continue
		}
		k := [2]string{m.uid, m.taker.id}
		x := taken[k]
		if x == nil {
			x = &extra{}
			if m.before != nil {
				*x = *m.before
			}
			taken[k] = x
		}
		x.pending = merge(x.pending, m.op)
		w.putBack(b, m, x)
	}
}

// putBack has the entry say what x does about the taker of an emission.
func (w *watch) putBack(b *batch, m emission, x *extra) {
	e := w.entries[m.uid]
	if e == nil { // it is gone, which is what is to be told
		e = &entry{uid: m.uid, namespace: m.object.Namespace, name: m.object.Name, version: number(m.object.ResourceVersion), gone: true}
		w.entries[m.uid] = e
	}
	w.count(e, -1)
	defer func() { w.count(w.entries[m.uid], 1) }()
	b.dirty[m.uid] = struct{}{}
	if x.pending != "" {
		p := e.selected(m.taker.id)
		if p.set(x); p.leaves() {
			w.keepLast(b, e, m.taker, m.last)
		}
		if key := m.taker.heldKey(); m.old != nil && x.pending != change.Created && b.kept[m.uid][key] == nil {
			b.keep(m.uid, key, m.old)
			e.setPrint(w.names.of(key), change.Fingerprint{})
		}
		delete(w.leaving, m.uid)
		return
	}
	if e.drop(m.taker.id); len(e.parts) == 0 || e.gone && !e.waits() {
		w.letGo(b, e)
	}
}
