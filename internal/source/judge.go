// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"errors"
	"fmt"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/edge"
	"github.com/posthorn-dev/posthorn/internal/when"
)

// judgement is what is known of a change when a taker decides whether it is an event.
type judgement struct {
	op  change.Operation
	e   *entry
	o   *observation
	old objects
	// net says that the change may stand for several, again that the object was known and came to be selected, and
	// left that it is there and selected no more.
	net, again, left bool
	// lapse says that what is remembered of the object is older than what an earlier run told of it.
	lapse bool
	// unseen says that what is remembered is not the state that the taker was told of last, but a later one.
	unseen bool
}

// judge decides whether a change becomes an event, and takes in what it changes of the part.
func (w *watch) judge(b *batch, t *taker, p *part, j judgement) {
	before, x := p.extra, p.copied()
	x.pending = ""
	if p.waits() && j.op == change.Updated {
		// What is kept is a later state than the one that the taker was told of last.
		j.old = objects{t.source.Redact.Key(): j.old[t.heldKey()]}
	}
	view, old := j.o.view(t.source.Redact), j.old[t.source.Redact.Key()]
	if view == nil {
		view = old
	}
	v := ruling{op: j.op}
	switch {
	case change.IsKubernetesEvent(t.resource):
		w.judgeSeries(t, &x, view, old, j, &v)
	case t.hasEdge():
		w.judgeEdge(t, &x, view, old, j, &v)
	default:
		v.emit = t.source.Takes(j.op) && w.satisfies(t, j.op, view, old)
	}
	p.set(&x)
	w.schedule(t, j.e.uid, p)
	if !v.emit {
		return
	}
	w.emit(b, t, j, v, before)
}

// ruling is what became of a judgement.
type ruling struct {
	emit bool
	op   change.Operation
	edge change.Edge
	// episode is the resource version at which an edge began.
	episode  string
	finished bool
}

func (w *watch) judgeSeries(t *taker, x *extra, view, old map[string]any, j judgement, v *ruling) {
	k, ok := change.ParseKubernetesEvent(view)
	if !ok {
		return
	}
	before, series := x.series, t.source.Occurrences.Series
	if x.series, v.emit = series.Decide(before, k, j.op, j.o.at); !v.emit {
		return
	}
	if series == change.SeriesFinished {
		w.finish(t, view, v)
		return
	}
	if v.emit = t.source.Takes(j.op) && w.satisfies(t, j.op, view, old); !v.emit && series == change.SeriesFirst {
		x.series.Emitted = before.Emitted // the first is the first that becomes an event
	}
}

// finish takes in that a series has ended, which is told as an update. No state before belongs to it: to an expression
// the last state is both.
func (w *watch) finish(t *taker, last map[string]any, v *ruling) {
	v.op, v.finished = change.Updated, true
	v.emit = w.satisfies(t, v.op, last, last)
}

// satisfies reports whether an expression that has no memory holds, or there is none.
func (w *watch) satisfies(t *taker, op change.Operation, view, old map[string]any) bool {
	return t.program == nil || w.holds(t, op, view, old)
}

func (w *watch) judgeEdge(t *taker, x *extra, view, old map[string]any, j judgement, v *ruling) {
	if view == nil { // it is gone, and nobody knows how it last was
		x.edge = edge.State{}
		return
	}
	holds, err := t.program.Eval(string(j.op), view, old)
	if err != nil && !errors.Is(err, when.ErrMissing) {
		w.failed(t, err)
		return
	}
	w.confirm(t, j.e.uid, x)
	step, look := edge.Step, edge.Observation{Holds: holds, Revision: j.o.ref.ResourceVersion, Time: j.o.at}
	if j.op == change.Deleted {
		step = edge.End
	}
	v.take(step(x.edge, t.policy, look), x)
	if t.policy.For > 0 && j.op == change.Created {
		v.op = change.Updated // whatever it was at which it began
	}
	v.pass(t, x)
	if j.lapse && j.op == change.Deleted && v.edge == change.Turned {
		v.emit = false // the state that it is judged by is older than what was told last
	}
}

// pass drops an edge at an operation that does not become an event. One that turned then passes without a word, its
// end included: a recovery from what nobody was told would be a riddle.
func (v *ruling) pass(t *taker, x *extra) {
	if !v.emit || t.source.Takes(v.op) {
		return
	}
	v.emit = false
	if v.edge == change.Turned && !x.edge.IsZero() {
		x.edge.Announced, x.edge.Quiet = false, true
	}
}

// confirm has the state of an edge say that it was told, where an earlier run told it and did not come to remember.
func (w *watch) confirm(t *taker, uid string, x *extra) {
	if !x.edge.IsZero() && !x.edge.Announced && !x.edge.Quiet && w.sent.turned(t, uid, x.edge.Episode()) {
		x.edge.Announced = true
	}
}

// take takes in an outcome.
func (v *ruling) take(out edge.Outcome, x *extra) {
	x.edge = out.State
	switch out.Kind {
	case edge.Turned:
		v.emit, v.edge = true, change.Turned
	case edge.Recovered:
		v.emit, v.edge = true, change.Recovered
	}
	v.episode = out.Episode
}

// holds evaluates an expression that has no memory. One that fails does not hold.
func (w *watch) holds(t *taker, op change.Operation, view, old map[string]any) bool {
	if op == change.Created {
		old = nil
	}
	holds, err := t.program.Eval(string(op), view, old)
	if err != nil && !errors.Is(err, when.ErrMissing) {
		w.failed(t, err)
	}
	return holds && err == nil
}

// emit makes the event.
func (w *watch) emit(b *batch, t *taker, j judgement, v ruling, before *extra) {
	o := j.o
	c := change.Change{
		SourceNamespace: t.source.Name.Namespace, SourceName: t.source.Name.Name, Resource: t.resource, Operation: v.op, Edge: v.edge,
		Form: t.source.Form, Object: o.ref, NetEffect: j.net, Finished: v.finished,
	}
	c.Moved = (j.again || j.left || w.key.fieldSelector != "") && o.ref.ResourceVersion != ""
	state := o.view(t.source.Redact)
	if state != nil {
		c.Object = change.ReferenceOf(state)
	}
	if v.episode != "" {
		c.Object.ResourceVersion = v.episode
	}
	switch v.op {
	case change.Deleted:
		c.Old = j.last(t, state)
	case change.Updated:
		c.Old, c.New = j.old[t.source.Redact.Key()], state
	default:
		c.New = state
	}
	if t.changed && c.Old != nil && c.New != nil && c.Form != change.FormPatch {
		c.Changed = change.ChangedPaths(change.Diff(c.Old, c.New))
	}
	known := j.e.before(o.managers)
	if j.unseen {
		known = nil
	}
	c.Actor = change.Actor(v.op, known, o.managers)
	c.Time = change.Time(v.op, state, known, o.managers, o.at)
	built, err := change.Build(c)
	if err != nil {
		w.failed(t, fmt.Errorf("make the event of %s: %w", change.Subject(o.ref.Namespace, o.ref.Name), err))
		return
	}
	m := emission{taker: t, uid: j.e.uid, object: o.ref, event: built, op: j.op, before: before, old: j.needed(t)}
	if j.op == change.Deleted {
		m.last = j.last(t, state)
	}
	b.emissions = append(b.emissions, m)
}

// needed returns the state that the taker was told of before, where it needs that.
func (j judgement) needed(t *taker) map[string]any {
	if !t.keepsObject() {
		return nil
	}
	return j.old[t.source.Redact.Key()]
}

// last returns the last state of an object that is gone: the one that was seen, or the one that is kept.
func (j judgement) last(t *taker, seen map[string]any) map[string]any {
	if seen != nil {
		return seen
	}
	return j.old[t.source.Redact.Key()]
}
