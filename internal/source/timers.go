// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"container/heap"
	"time"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/edge"
)

// timer has a taker look at what it remembers of an object.
type timer struct {
	due        time.Time
	uid, taker string
}

// timers is a heap of them, the next due first. Those that what is remembered no longer asks for stay until they are
// due, and then do nothing.
type timers []timer

// Len, Less, Swap, Push and Pop make it a heap.
func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].due.Before(t[j].due) }
func (t timers) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }

// Push is for package heap.
func (t *timers) Push(x any) { *t = append(*t, x.(timer)) } //nolint:forcetypeassert // what schedule pushes

// Pop is for package heap.
func (t *timers) Pop() any {
	last := (*t)[len(*t)-1]
	*t = (*t)[:len(*t)-1]
	return last
}

// dueOf returns when the taker has to look at what it remembers; zero for never.
func dueOf(t *taker, p *part) time.Time {
	if t == nil || p.extra == nil || p.extra.pending != "" {
		return time.Time{}
	}
	if t.hasEdge() {
		return edge.Due(p.extra.edge, t.policy)
	}
	return p.extra.series.Due
}

// schedule has what is remembered looked at in its time.
func (w *watch) schedule(t *taker, uid string, p *part) {
	if due := dueOf(t, p); !due.IsZero() {
		heap.Push(&w.timers, timer{due, uid, t.id})
	}
}

// nextTimer is when the next timer is due; false when there is none.
func (w *watch) nextTimer() (time.Time, bool) {
	if len(w.timers) == 0 {
		return time.Time{}, false
	}
	return w.timers[0].due, true
}

// expire takes the timers that are due into a batch.
func (w *watch) expire(b *batch, now time.Time, last func(e *entry) (objects, error)) error {
	for len(w.timers) > 0 && !w.timers[0].due.After(now) && len(b.dirty) < batchSize {
		due, _ := heap.Pop(&w.timers).(timer)
		e, t := w.entries[due.uid], w.plan.taker(due.taker)
		p := e.part(due.taker)
		if t == nil || p == nil || w.isHeld(t) || !dueOf(t, p).Equal(due.due) {
			continue
		}
		kept, err := last(e)
		if err != nil {
			heap.Push(&w.timers, due)
			return err
		}
		w.tick(b, t, p, e, kept, now)
	}
	return nil
}

// tick looks at what a taker remembers of an object whose time has come.
func (w *watch) tick(b *batch, t *taker, p *part, e *entry, kept objects, now time.Time) {
	before := p.extra
	x := *before
	v := ruling{op: change.Updated}
	if t.hasEdge() {
		w.confirm(t, e.uid, &x)
		v.take(edge.Tick(x.edge, t.policy, now), &x)
		v.pass(t, &x)
	} else {
		x.series, v.emit = t.source.Occurrences.Series.Expire(x.series, now)
		v.finished = v.emit
	}
	p.set(&x)
	w.schedule(t, e.uid, p)
	b.dirty[e.uid] = struct{}{}
	b.kept[e.uid] = kept
	if !v.emit {
		return
	}
	o := remembered(e, t, kept, now)
	w.emit(b, t, judgement{op: change.Updated, e: e, o: o}, v, before)
}

// remembered returns what is known of an object that nobody looks at now.
func remembered(e *entry, t *taker, kept objects, now time.Time) *observation {
	o := &observation{ref: e.reference(t.resource), version: e.version, at: now}
	if state := kept[t.source.Redact.Key()]; state != nil {
		o.views = objects{t.source.Redact.Key(): state}
		o.object = state
	}
	return o
}

// reference names the object by what is remembered of it.
func (e *entry) reference(r change.Resource) change.Reference {
	ref := change.Reference{
		APIVersion: r.APIVersion(), Kind: r.Kind, Namespace: e.namespace, Name: e.name, UID: e.uid,
	}
	if e.version != 0 {
		ref.ResourceVersion = formatVersion(e.version)
	}
	return ref
}
