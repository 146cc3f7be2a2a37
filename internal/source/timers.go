// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"container/heap"
	"slices"
	"time"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/edge"
)

// timer has a taker look at what it remembers of an object.
type timer struct {
	due time.Time
	timerKey
}

// timerKey is whose timer it is.
type timerKey struct{ uid, taker string }

// timers are those of a watch, one for each taker and object: what is remembered may ask for another time by when it is
// due, and then it is set to that. Only one that has to be due earlier is added beside the other, which then does nothing.
type timers struct {
	heap timerHeap
	set  map[timerKey]time.Time
	// pruned is how many were left when those were let go last that nobody waits for.
	pruned int
}

// minPruned is how many timers there are at least before any is let go that nobody waits for.
const minPruned = 1_024

// timerHeap has the next due first.
type timerHeap []timer

// Len, Less, Swap, Push and Pop make it a heap.
func (t timerHeap) Len() int           { return len(t) }
func (t timerHeap) Less(i, j int) bool { return t[i].due.Before(t[j].due) }
func (t timerHeap) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }

// Push is for package heap.
func (t *timerHeap) Push(x any) { *t = append(*t, x.(timer)) } //nolint:forcetypeassert // what add pushes

// Pop is for package heap.
func (t *timerHeap) Pop() any {
	last := (*t)[len(*t)-1]
	*t = (*t)[:len(*t)-1]
	return last
}

// add sets a timer, unless one is due by then.
func (t *timers) add(next timer) {
	if due, ok := t.set[next.timerKey]; ok && !due.After(next.due) {
		return
	}
	if t.set == nil {
		t.set = map[timerKey]time.Time{}
	}
	t.set[next.timerKey] = next.due
	heap.Push(&t.heap, next)
}

// prune lets go of the timers that nobody waits for any more, such as those of objects that are gone: they would stay
// until they are due, in a week perhaps. It does so each time that there are twice as many as it left.
func (t *timers) prune(awaited func(timerKey) bool) {
	if len(t.heap) < 2*max(t.pruned, minPruned/2) {
		return
	}
	t.heap = slices.DeleteFunc(t.heap, func(one timer) bool {
		current := t.set[one.timerKey].Equal(one.due)
		if current && awaited(one.timerKey) {
			return false
		}
		if current {
			delete(t.set, one.timerKey)
		}
		return true
	})
	heap.Init(&t.heap)
	t.pruned = len(t.heap)
}

// next returns when the next timer is due; false when there is none.
func (t *timers) next() (time.Time, bool) {
	if len(t.heap) == 0 {
		return time.Time{}, false
	}
	return t.heap[0].due, true
}

// take removes the next timer; false when none is due.
func (t *timers) take(now time.Time) (timer, bool) {
	if due, ok := t.next(); !ok || due.After(now) {
		return timer{}, false
	}
	due, _ := heap.Pop(&t.heap).(timer)
	if t.set[due.timerKey].Equal(due.due) {
		delete(t.set, due.timerKey)
	}
	return due, true
}

// dueOf returns when the taker has to look at what it remembers; zero for never.
func dueOf(t *taker, p *part) time.Time {
	if t == nil || p == nil || p.extra == nil || p.waits() {
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
		w.timers.add(timer{due, timerKey{uid, t.id}})
	}
}

// awaits reports whether what is remembered asks for a timer.
func (w *watch) awaits(key timerKey) bool {
	return !dueOf(w.plan.taker(key.taker), w.entries[key.uid].part(key.taker)).IsZero()
}

// expire takes the timers that are due into a batch.
func (w *watch) expire(b *batch, now time.Time, last func(e *entry) (objects, error)) error {
	for len(b.dirty) < batchSize {
		due, ok := w.timers.take(now)
		if !ok {
			break
		}
		e, t := w.entries[due.uid], w.plan.taker(due.taker)
		p := e.part(due.taker)
		if t == nil || p == nil || w.isHeld(t) {
			continue
		}
		if !dueOf(t, p).Equal(due.due) {
			w.schedule(t, due.uid, p) // it asks for another time by now
			continue
		}
		kept, err := last(e)
		if err != nil {
			w.timers.add(due)
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
		if x.series, v.emit = t.source.Occurrences.Series.Expire(x.series, now); v.emit {
			w.finish(t, kept[t.source.Redact.Key()], &v)
		}
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
