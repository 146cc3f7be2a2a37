// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"errors"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/edge"
	"github.com/posthorn-dev/posthorn/internal/when"
)

// begin takes in an object that is there while a taker goes through all of them: for the first time, or since it was
// held, or since its spec selects others.
func (w *watch) begin(b *batch, t *taker, record *takerRecord, e *entry, o *observation, old objects) {
	view := o.view(t.source.Redact)
	p, selected, same := e.part(t.id), t.selects(o.ref, view), record.Shape == t.shape
	if !selected && (!record.Begun || !same) {
		e.drop(t.id) // it is the spec that leaves it out: nothing has happened to it
		return
	}
	j := judgement{e: e, o: o, old: old, net: true}
	switch {
	case p == nil && !record.Begun && t.source.EmitInitial:
		j.op, j.net, j.unseen = change.Created, false, true
	case !record.Begun && !t.source.EmitInitial || p == nil && !same:
		w.passOver(t, e.selected(t.id), o, view)
		return
	default:
		j.op, j.unseen = w.meanwhile(t, p, e, o, selected), true
		if j.op == "" && selected {
			j.op, j.unseen = w.reconsider(t, record, p, e, o), false // nobody changed the object
		}
	}
	w.settle(b, t, j, selected)
}

// settle judges what happened to an object, if anything did, and forgets it where it is selected no more.
func (w *watch) settle(b *batch, t *taker, j judgement, selected bool) {
	if j.op == "" {
		if !selected {
			j.e.drop(t.id)
		}
		return
	}
	j.left = j.op == change.Deleted
	w.judge(b, t, j.e.selected(t.id), j)
	if j.op == change.Deleted {
		j.e.drop(t.id)
	}
}

// reconsider looks again at an object to which nothing happened while its taker was held: as an update, where what
// another expression made of it is carried over.
func (w *watch) reconsider(t *taker, record *takerRecord, p *part, e *entry, o *observation) change.Operation {
	switch other := t.hasEdge() && record.Expression != t.policy.ExpressionKey(); {
	case !other:
		w.schedule(t, e.uid, p) // its time may have come
	case p.extra == nil || p.extra.edge.IsZero():
		w.passOver(t, p, o, o.view(t.source.Redact))
	default:
		return change.Updated
	}
	return ""
}

// meanwhile returns what happened to an object while its taker was held, nothing included.
func (w *watch) meanwhile(t *taker, p *part, e *entry, o *observation, selected bool) change.Operation {
	var op change.Operation
	last, known := e.imprint(t.source.Redact.Key())
	switch {
	case p == nil && selected:
		op = change.Created
	case p != nil && !selected:
		op = change.Deleted
	case known && last != o.print(t.source.Redact):
		op = change.Updated
	}
	if p.waits() {
		switch {
		case op != "":
			return merge(p.extra.pending, op)
		case selected && p.extra.pending == change.Deleted:
			return change.Updated // it has come back
		}
		return p.extra.pending
	}
	return op
}

// passOver remembers an object that was there before, without an event of it.
func (w *watch) passOver(t *taker, p *part, o *observation, view map[string]any) {
	x := p.copied()
	if k, ok := change.ParseKubernetesEvent(view); ok && change.IsKubernetesEvent(t.resource) {
		x.series = change.Passed(k)
	}
	if t.hasEdge() {
		holds, err := t.program.Eval(when.Created, view, nil)
		if err == nil || errors.Is(err, when.ErrMissing) {
			x.edge = edge.Baseline(t.policy, edge.Observation{Holds: holds, Revision: o.ref.ResourceVersion, Time: o.at})
		}
	}
	p.set(&x)
}
