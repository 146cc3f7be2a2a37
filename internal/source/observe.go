// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"errors"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

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
	if e == nil || len(w.plan.keepers) == 0 && !e.leaves() {
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

// remember takes the state into the entry, or lets the entry go. before is its outline where the state stays.
func (w *watch) remember(b *batch, e *entry, o *observation, old objects, before *outline) {
	switch {
	case o.gone:
		w.rememberGone(b, e, o, old)
		return
	case len(e.parts) == 0:
		w.rememberUnselected(b, e, o, before)
		return
	}
	kept, fresh := w.imprint(e, o, old, before != nil)
	if before != nil && !fresh && before.isOf(e) && w.entries[e.uid] != nil {
		if b.tells(e.uid) {
			b.kept[e.uid] = kept // it is stored if that is taken back
		}
		return
	}
	e.gone = false
	if before == nil {
		e.managers, e.version = markManagers(o.managers), o.version
	}
	w.entries[e.uid] = e
	b.dirty[e.uid] = struct{}{}
	delete(w.leaving, e.uid)
	b.kept[e.uid] = kept // none, too: what the batch kept of a state before is not of this one
}

// imprint has the entry know the state by its fingerprints, unless its own state stays, and returns the states that are to
// be kept, and whether one of them was not before.
func (w *watch) imprint(e *entry, o *observation, old objects, stays bool) (kept objects, fresh bool) {
	kept = objects{}
	w.imprintHeld(e, old, kept)
	for _, r := range w.plan.redactions {
		_, has := e.imprint(r.Key())
		if !stays || !has {
			e.setPrint(w.names.of(r.Key()), o.print(r))
		}
		if !w.plan.keeps(e, r.Key()) {
			continue
		}
		if stays && old[r.Key()] != nil {
			kept[r.Key()] = old[r.Key()]
		} else {
			kept[r.Key()], fresh = o.view(r), true
		}
	}
	return kept, fresh
}

// imprintHeld has the states stay that takers were told of last, where they wait to be told of a later one. Prints that
// nobody asks for go: they would be of an old state once somebody does.
func (w *watch) imprintHeld(e *entry, old, kept objects) {
	for _, t := range w.plan.takers {
		if !e.part(t.id).waits() {
			continue
		}
		if key := t.heldKey(); old[key] != nil {
			kept[key] = old[key]
			e.setPrint(w.names.of(key), change.Fingerprint{})
		}
	}
	e.keepPrints(func(key string) bool { return w.plan.redacts(key) || kept[key] != nil })
}

// rememberGone takes in that the object is gone.
func (w *watch) rememberGone(b *batch, e *entry, o *observation, old objects) {
	e.version, e.gone = max(e.version, o.version), true
	if !e.waits() {
		w.letGo(b, e)
		return
	}
	b.dirty[e.uid] = struct{}{}
	b.kept[e.uid] = old
	for _, t := range w.plan.takers {
		if p := e.part(t.id); p.leaves() {
			w.keepLast(b, e, t, o.view(t.source.Redact))
		}
	}
}

// keepLast keeps the state that a deletion is judged by once it can be told; nil is none.
func (w *watch) keepLast(b *batch, e *entry, t *taker, state map[string]any) {
	if state == nil {
		return
	}
	key := t.source.Redact.Key()
	if _, ok := e.imprint(key); !ok {
		e.setPrint(w.names.of(key), change.FingerprintOf(state))
	}
	b.keep(e.uid, key, state)
}

// rememberUnselected takes in that no taker selects the object.
func (w *watch) rememberUnselected(b *batch, e *entry, o *observation, before *outline) {
	if e.gone = false; before == nil {
		e.version = o.version
	}
	if w.entries[e.uid] != nil {
		w.letGo(b, e)
	}
}

// letGo leaves of an entry no more than up to which version nobody wants to know of the object, until the checkpoint is
// past that. One that no taker ever selected has none.
func (w *watch) letGo(b *batch, e *entry) {
	*e = entry{uid: e.uid, namespace: e.namespace, name: e.name, version: e.version, gone: e.gone, seen: e.seen}
	if _, leaving := w.leaving[e.uid]; leaving {
		return // what is stored says enough
	}
	w.leaving[e.uid] = struct{}{}
	b.dirty[e.uid] = struct{}{}
	delete(b.kept, e.uid)
}
