// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"hash/fnv"
	"slices"
	"strconv"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/edge"
)

// entry is what is remembered of one object. There is one for each object of the cluster that is watched, so that
// its size counts.
type entry struct {
	uid, namespace, name string
	// version is the resource version of the state that is remembered; 0 where it is no number.
	version uint64
	// prints are the fingerprints, one for each redaction that takers ask for.
	prints []imprint
	// managers are of the managed fields' entries, by which the one that changed is found.
	managers []managerMark
	// parts are those of the takers that the object is selected by.
	parts []part
	// seen is the number of the list that saw the object last.
	seen uint64
	// gone says that the object is no more, and that something about it is still to be sent.
	gone bool
}

// imprint is the fingerprint of what is left of an object by a redaction, named by its key.
type imprint struct {
	redaction string
	value     change.Fingerprint
}

// part is what one taker remembers of an object that it is to tell of.
type part struct {
	taker string
	// extra is nil for a taker that remembers nothing else.
	extra *extra
}

// extra is what some takers remember of an object.
type extra struct {
	edge   edge.State
	series change.SeriesState
	// pending is what happened to the object and could not be sent, as its net effect; empty when nothing waits.
	pending change.Operation
}

// isZero reports whether there is nothing to remember.
func (x *extra) isZero() bool {
	return x == nil || x.edge.IsZero() && x.series == change.SeriesState{} && x.pending == ""
}

// part returns the taker's part; nil where the object is not selected.
func (e *entry) part(taker string) *part {
	if e == nil {
		return nil
	}
	for i := range e.parts {
		if e.parts[i].taker == taker {
			return &e.parts[i]
		}
	}
	return nil
}

// copied returns the part's extra to be changed, all zero where there is none.
func (p *part) copied() extra {
	if p.extra == nil {
		return extra{}
	}
	return *p.extra
}

// set replaces the part's extra.
func (p *part) set(x *extra) {
	if x.isZero() {
		x = nil
	}
	p.extra = x
}

// selected makes sure that the taker has a part, and returns it.
func (e *entry) selected(taker string) *part {
	if p := e.part(taker); p != nil {
		return p
	}
	e.parts = append(e.parts, part{taker: taker})
	return &e.parts[len(e.parts)-1]
}

// drop forgets the taker's part.
func (e *entry) drop(taker string) {
	e.parts = slices.DeleteFunc(e.parts, func(p part) bool { return p.taker == taker })
}

// waits reports whether something about the object is still to be told.
func (e *entry) waits() bool {
	return slices.ContainsFunc(e.parts, func(p part) bool { return p.waits() })
}

// waits reports whether something about the object is still to be told to the taker.
func (p *part) waits() bool { return p != nil && p.extra != nil && p.extra.pending != "" }

// leaves reports whether it is still to be told that the object is gone, or selected no more.
func (p *part) leaves() bool { return p != nil && p.extra != nil && p.extra.pending == change.Deleted }

// leaves reports whether that is still to be told to any taker.
func (e *entry) leaves() bool {
	return slices.ContainsFunc(e.parts, func(p part) bool { return p.leaves() })
}

// imprint returns the fingerprint by a redaction, and whether there is one.
func (e *entry) imprint(redaction string) (change.Fingerprint, bool) {
	if e != nil {
		for _, p := range e.prints {
			if p.redaction == redaction {
				return p.value, true
			}
		}
	}
	return change.Fingerprint{}, false
}

// keepPrints forgets the fingerprints that are not wanted.
func (e *entry) keepPrints(wanted func(redaction string) bool) {
	e.prints = slices.DeleteFunc(e.prints, func(p imprint) bool { return !wanted(p.redaction) })
}

// setPrint remembers a fingerprint.
func (e *entry) setPrint(redaction string, f change.Fingerprint) {
	for i := range e.prints {
		if e.prints[i].redaction == redaction {
			e.prints[i].value = f
			return
		}
	}
	e.prints = append(e.prints, imprint{redaction, f})
}

// managerMark is what is kept of an entry of the managed fields: a hash of whose it is and of when, and how many fields it has.
type managerMark struct{ hash, fields uint32 }

// markManagers returns what is kept of the managed fields.
func markManagers(managers change.Managers) []managerMark {
	marks := make([]managerMark, len(managers))
	for i, m := range managers {
		marks[i] = managerMark{hashManager(m), uint32(m.Fields)} //nolint:gosec // as many as fit into an object
	}
	return marks
}

func hashManager(m change.Manager) uint32 {
	h := fnv.New32a()
	for _, s := range []string{m.Name, m.Operation, m.Subresource, strconv.FormatInt(m.Time.Unix(), 10)} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	return h.Sum32()
}

// before returns the managers as they were before, nil where none are known. Of those that are no more, or are of another
// time now, it is only known that they were.
func (e *entry) before(managers change.Managers) change.Managers {
	if e == nil || len(e.managers) == 0 {
		return nil
	}
	before := make(change.Managers, len(e.managers))
	for _, m := range managers {
		hash := hashManager(m)
		for i, mark := range e.managers {
			if mark.hash == hash {
				m.Fields = int(mark.fields)
				before[i] = m
			}
		}
	}
	return before
}

// outline is what of an entry may change while the state that it remembers stays.
type outline struct {
	parts  []part
	prints int
	gone   bool
}

// outlineFor returns the outline of an entry whose state stays: where the object shows nothing newer, or while takers are
// introduced, since the watch has yet to tell the others what the list shows already. Otherwise it is nil.
func (e *entry) outlineFor(stays bool) *outline {
	if !stays {
		return nil
	}
	return &outline{slices.Clone(e.parts), len(e.prints), e.gone}
}

// isOf reports whether the entry still has the outline.
func (o *outline) isOf(e *entry) bool {
	return o.gone == e.gone && !e.gone && o.prints == len(e.prints) && slices.EqualFunc(o.parts, e.parts, func(a, b part) bool {
		return a.taker == b.taker && (a.extra == b.extra || a.extra != nil && b.extra != nil && *a.extra == *b.extra)
	})
}
