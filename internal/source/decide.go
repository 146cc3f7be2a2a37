// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"github.com/posthorn-dev/posthorn/internal/change"
)

// decide finds out what an observation is for a taker that has begun: a change, or none.
func (w *watch) decide(b *batch, t *taker, e *entry, o *observation, old objects) {
	view := o.view(t.source.Redact)
	p := e.part(t.id)
	selected := !o.gone && t.selects(o.ref, view)
	again := p == nil && w.wasThere(o)
	told, lapse := w.lapse(t, e, o)
	if lapse && told.tells(o) && !t.hasEdge() {
		w.agree(t, e, o, selected)
		return
	}
	was := p != nil
	if lapse && told.edge == change.NoEdge {
		was = !told.gone
	}
	op := w.operation(t, e, o, transition{was, selected, lapse})
	if op == "" {
		return
	}
	p = e.selected(t.id)
	if lapse {
		w.recall(t, p, told)
	}
	if w.isHeld(t) {
		w.hold(t, e, p, op, old)
		return
	}
	j := judgement{op: op, e: e, o: o, old: old, net: o.net, again: again, lapse: lapse}
	if p.waits() {
		j.op, j.net, j.unseen = merge(p.extra.pending, op), true, true
	}
	w.conclusion(b, t, p, j)
}

// conclusion judges what happened to an object, unless what waited and what came undo each other.
func (w *watch) conclusion(b *batch, t *taker, p *part, j judgement) {
	if j.op != "" {
		j.left = j.op == change.Deleted && !j.o.gone
		w.judge(b, t, p, j)
	}
	if j.op == "" || j.op == change.Deleted {
		j.e.drop(t.id)
	}
}

// wasThere reports whether an object was there before what is observed. Of one that a comparison finds new, a clock may
// be wrong about that: then the event has a version in its id that it need not have.
func (w *watch) wasThere(o *observation) bool {
	if o.net {
		return !change.CreationOf(o.object).After(w.upToDate)
	}
	return !o.added
}

// transition is whether an object was selected, and is now; lapse says that it may have changed whatever is remembered.
type transition struct{ was, is, lapse bool }

// operation returns what a transition is to a taker; empty for nothing.
func (w *watch) operation(t *taker, e *entry, o *observation, x transition) change.Operation {
	switch {
	case !x.was && !x.is:
		e.drop(t.id)
		return ""
	case !x.was:
		return change.Created
	case !x.is:
		return change.Deleted
	}
	if last, ok := e.imprint(t.source.Redact.Key()); ok && last == o.print(t.source.Redact) && !x.lapse {
		return ""
	}
	return change.Updated
}

// isHeld reports whether what happens is remembered and not told.
func (w *watch) isHeld(t *taker) bool { return t.held || w.refused[t.source.Name.Namespace] }

// hold remembers that something happened that is to be told later, and the state before the first of it: old tells the
// states of the object that are kept.
func (w *watch) hold(t *taker, e *entry, p *part, op change.Operation, old objects) {
	x := p.copied()
	if state := old[t.source.Redact.Key()]; state != nil && t.keepsObject() && x.pending == "" && op != change.Created {
		old[t.heldKey()] = state
	}
	x.pending = merge(x.pending, op)
	if p.set(&x); op == change.Deleted && p.extra == nil {
		e.drop(p.taker)
	}
}

// merge returns what two operations, one after the other, come to; nothing where the second undoes the first.
func merge(first, second change.Operation) change.Operation {
	switch {
	case first == "":
		return second
	case first == change.Created && second == change.Deleted:
		return ""
	case first == change.Created:
		return change.Created
	case first == change.Deleted && second == change.Created:
		return change.Updated
	default:
		return second
	}
}
