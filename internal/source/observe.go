// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/edge"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/when"
)

// observation is one look at an object: a state of it, or that it is gone.
type observation struct {
	ref     change.Reference
	version uint64
	// object is the state as it came; nil where one is gone whose last state nobody saw.
	object   map[string]any
	managers change.Managers
	gone     bool
	// net says that the difference was found by comparing.
	net bool
	at  time.Time

	views  objects
	prints map[string]change.Fingerprint
}

// look returns the observation of an object as it came from the API server.
func look(object map[string]any, gone, net bool, at time.Time) *observation {
	ref := change.ReferenceOf(object)
	return &observation{
		ref: ref, version: number(ref.ResourceVersion), object: object, managers: change.ManagersOf(object),
		gone: gone, net: net, at: at,
	}
}

// number returns a resource version as a number, by which those of one resource are compared; 0 for one of an
// aggregated API that writes others.
func number(version string) uint64 {
	n, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// formatVersion is the reverse of number.
func formatVersion(version uint64) string { return strconv.FormatUint(version, 10) }

// view returns what a redaction leaves of the object; nil where there is no object.
func (o *observation) view(r change.Redaction) map[string]any {
	if o.object == nil {
		return nil
	}
	v, ok := o.views[r.Key()]
	if !ok {
		v = change.Sanitize(o.object, r)
		if o.views == nil {
			o.views = objects{}
		}
		o.views[r.Key()] = v
	}
	return v
}

// print returns the fingerprint of what a redaction leaves of the object.
func (o *observation) print(r change.Redaction) change.Fingerprint {
	f, ok := o.prints[r.Key()]
	if !ok {
		f = change.FingerprintOf(o.view(r))
		if o.prints == nil {
			o.prints = map[string]change.Fingerprint{}
		}
		o.prints[r.Key()] = f
	}
	return f
}

// emission is an event to be stored, and how to take it back.
type emission struct {
	taker  *taker
	uid    string
	object change.Reference
	event  *event.Event
	op     change.Operation
	// before is the part's extra as it was before.
	before *extra
}

// batch are the changes that are written together.
type batch struct {
	emissions []emission
	// dirty are the objects whose entry is to be stored.
	dirty map[string]struct{}
	// kept are the states of dirty objects that are to be stored, too.
	kept map[string]objects
}

func newBatch() *batch {
	return &batch{dirty: map[string]struct{}{}, kept: map[string]objects{}}
}

// empty reports whether there is nothing to write.
func (b *batch) empty() bool {
	return len(b.emissions) == 0 && len(b.dirty) == 0
}

// observe takes in what became of an object, for the takers that have begun. Those of need go through all objects
// at this moment: for them it is what is there, not a change.
func (w *watch) observe(ctx context.Context, b *batch, o *observation, need map[string]bool) error {
	e := w.entries[o.ref.UID]
	if e == nil && o.gone {
		return nil
	}
	known := e.knows(o)
	if e != nil {
		e.seen = w.list
	}
	if known && len(need) == 0 {
		return nil
	}
	old, err := w.lastStates(ctx, b, e)
	if err != nil {
		return err
	}
	w.count(e, -1)
	defer func() { w.count(w.entries[o.ref.UID], 1) }()
	next := e
	if next == nil {
		next = &entry{uid: o.ref.UID, namespace: w.names.of(o.ref.Namespace), name: o.ref.Name, seen: w.list}
	}
	before := next.outlineFor(known || w.introducing)
	for _, t := range w.plan.takers {
		record := w.records[t.id]
		switch {
		case need[t.id]:
			w.begin(b, t, record, next, o, old)
		case known || w.introducing || !record.follows(t, o):
		default:
			w.decide(b, t, next, o, old)
		}
	}
	w.remember(b, next, o, old, before)
	return nil
}

// knows reports whether an observation shows nothing newer than what is remembered.
func (e *entry) knows(o *observation) bool {
	return e != nil && (e.gone || !o.gone) && o.version != 0 && o.version <= e.version
}

// follows reports whether an observation is for the taker: it has gone through all objects, and what it sees is
// newer. What a first list that was broken off has told of may be gone by the next.
func (r *takerRecord) follows(t *taker, o *observation) bool {
	if !r.Begun {
		return o.gone && t.source.EmitInitial
	}
	return o.version == 0 || o.version > r.From
}

// lastStates returns the states of an object that are kept; nil where none are.
func (w *watch) lastStates(ctx context.Context, b *batch, e *entry) (objects, error) {
	if e == nil || !w.plan.keepsAny {
		return nil, nil
	}
	if kept, ok := b.kept[e.uid]; ok {
		return kept, nil
	}
	data, err := w.log.Object(ctx, eventlog.ObjectKey{Watch: w.id, UID: e.uid})
	if errors.Is(err, eventlog.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	_, kept, err := readEntry(e.uid, data, w.names, true)
	return kept, err
}

// remember takes the state into the entry, or forgets the entry.
func (w *watch) remember(b *batch, e *entry, o *observation, old objects, before *outline) {
	if o.gone {
		e.version = max(e.version, o.version)
		if e.waits() {
			e.gone = true
			b.dirty[e.uid] = struct{}{}
			b.kept[e.uid] = old
			return
		}
		w.forget(b, e)
		return
	}
	settled, kept, fresh := before != nil, objects{}, false
	for _, r := range w.plan.redactions {
		_, has := e.imprint(r.Key())
		if !settled || !has {
			e.setPrint(w.names.of(r.Key()), o.print(r))
		}
		if !w.plan.keeps[r.Key()] {
			continue
		}
		if settled && old[r.Key()] != nil {
			kept[r.Key()] = old[r.Key()]
		} else {
			kept[r.Key()], fresh = o.view(r), true
		}
	}
	if settled && !fresh && before.isOf(e) && w.entries[e.uid] != nil {
		return
	}
	e.gone = false
	if !settled {
		e.managers, e.version = markManagers(o.managers), o.version
	}
	if w.entries[e.uid] == nil {
		w.entries[e.uid] = e
	}
	b.dirty[e.uid] = struct{}{}
	delete(w.leaving, e.uid)
	if len(kept) > 0 {
		b.kept[e.uid] = kept
	}
}

// forget leaves of an entry no more than that the object is gone, until the checkpoint is past that.
func (w *watch) forget(b *batch, e *entry) {
	*e = entry{uid: e.uid, namespace: e.namespace, name: e.name, version: e.version, gone: true}
	w.leaving[e.uid] = struct{}{}
	b.dirty[e.uid] = struct{}{}
	delete(b.kept, e.uid)
}

// begin takes in an object that is there while a taker goes through all of them: for the first time, or since it was
// held, or since its spec selects others.
func (w *watch) begin(b *batch, t *taker, record *takerRecord, e *entry, o *observation, old objects) {
	view := o.view(t.source.Redact)
	p, selected, same := e.part(t.id), t.selects(o.ref, view), record.Shape == t.shape
	if !selected && (!record.Begun || !same && p == nil) {
		e.drop(t.id)
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
	if p != nil && p.extra != nil && p.extra.pending != "" {
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
	x := extra{}
	if p.extra != nil {
		x = *p.extra
	}
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

// set replaces the part's extra.
func (p *part) set(x *extra) {
	if x.isZero() {
		x = nil
	}
	p.extra = x
}

// decide finds out what an observation is for a taker that has begun: a change, or none.
func (w *watch) decide(b *batch, t *taker, e *entry, o *observation, old objects) {
	view := o.view(t.source.Redact)
	p := e.part(t.id)
	selected := !o.gone && t.selects(o.ref, view)
	again := p == nil && e.version != 0
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
		w.hold(e, p, op)
		return
	}
	j := judgement{op: op, e: e, o: o, old: old, net: o.net, again: again, lapse: lapse}
	if p.extra != nil && p.extra.pending != "" {
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

// tells reports whether an event told of the very state that is observed.
func (l told) tells(o *observation) bool {
	return l.edge == change.NoEdge && !o.gone && l.version == o.version
}

// lapse returns what an earlier run told of the object last, and whether it did not come to remember that, and the
// watch will not show it again: what is remembered is then not what was told last.
func (w *watch) lapse(t *taker, e *entry, o *observation) (told, bool) {
	last, ok := w.sent.last(t, e.uid)
	differs := w.recovering && last.version > e.version || last.ends(e.part(t.id))
	return last, ok && o.net && last.sequence > w.remembered && differs && (o.gone || o.version >= last.version)
}

// ends reports whether an event told of the end of the edge that a part remembers.
func (l told) ends(p *part) bool {
	return l.edge == change.Recovered && p != nil && p.extra != nil && p.extra.edge.Revision == l.object.ResourceVersion
}

// agree takes in a state that an earlier run has told of.
func (w *watch) agree(t *taker, e *entry, o *observation, selected bool) {
	if !selected {
		e.drop(t.id)
		return
	}
	w.passOver(t, e.selected(t.id), o, o.view(t.source.Redact))
}

// recall has a part remember what was told last.
func (w *watch) recall(t *taker, p *part, last told) {
	x := extra{}
	if p.extra != nil {
		x = *p.extra
	}
	switch {
	case last.edge == change.Turned && t.hasEdge():
		x.edge = edge.State{
			Revision: last.object.ResourceVersion, Since: time.Now(), Announced: true, Expression: t.policy.ExpressionKey(),
		}
	case last.edge == change.Recovered:
		x.edge = edge.State{}
	case last.edge == change.NoEdge && change.IsKubernetesEvent(t.resource):
		x.series.Emitted = max(x.series.Emitted, 1)
	}
	p.set(&x)
}

// isHeld reports whether what happens is remembered and not told.
func (w *watch) isHeld(t *taker) bool { return t.held || w.refused[t.source.Name.Namespace] }

// hold remembers that something happened that is to be told later.
func (w *watch) hold(e *entry, p *part, op change.Operation) {
	x := extra{}
	if p.extra != nil {
		x = *p.extra
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
	before := p.extra
	x := extra{}
	if before != nil {
		x = *before
	}
	x.pending = ""
	view, old := j.o.view(t.source.Redact), j.old[t.source.Redact.Key()]
	if view == nil {
		view = old
	}
	v := ruling{op: j.op}
	switch {
	case change.IsKubernetesEvent(t.resource):
		w.judgeSeries(t, &x, view, j, &v)
	case t.program == nil:
		v.emit = t.source.Takes(j.op)
	case t.hasEdge():
		w.judgeEdge(t, &x, view, old, j, &v)
	default:
		v.emit = t.source.Takes(j.op) && w.holds(t, j.op, view, old)
	}
	if v.emit && t.program != nil && change.IsKubernetesEvent(t.resource) {
		v.emit = w.holds(t, j.op, view, old)
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

func (w *watch) judgeSeries(t *taker, x *extra, view map[string]any, j judgement, v *ruling) {
	k, ok := change.ParseKubernetesEvent(view)
	if !ok {
		return
	}
	x.series, v.emit = t.source.Occurrences.Series.Decide(x.series, k, j.op, j.o.at)
	v.finished = v.emit && t.source.Occurrences.Series == change.SeriesFinished
	if v.finished {
		v.op = change.Updated
		return
	}
	v.emit = v.emit && t.source.Takes(j.op)
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
		if c.Old = state; c.Old == nil {
			c.Old = j.old[t.source.Redact.Key()]
		}
	case change.Updated:
		c.Old, c.New = j.old[t.source.Redact.Key()], state
	default:
		c.New = state
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
	b.emissions = append(b.emissions, emission{taker: t, uid: j.e.uid, object: o.ref, event: built, op: j.op, before: before})
}
