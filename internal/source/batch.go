// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"maps"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/event"
)

// batchSize is how many changes are written together.
const batchSize = 500

// emission is an event to be stored, and how to take it back.
type emission struct {
	taker  *taker
	uid    string
	object change.Reference
	event  *event.Event
	op     change.Operation
	// old is the state that the taker was told of before; nil where it is not kept, or not needed.
	old map[string]any
	// last is the last state of an object that is gone, or selected no more; nil where nobody knows it.
	last map[string]any
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

// keep has a state of an object stored, beside the others of that object.
func (b *batch) keep(uid, key string, state map[string]any) {
	kept := maps.Clone(b.kept[uid]) // those of before belong to whoever read them
	if kept == nil {
		kept = objects{}
	}
	kept[key] = state
	b.kept[uid] = kept
}

// tells reports whether the newest event is about the object.
func (b *batch) tells(uid string) bool {
	n := len(b.emissions)
	return n > 0 && b.emissions[n-1].uid == uid
}

// empty reports whether there is nothing to write.
func (b *batch) empty() bool {
	return len(b.emissions) == 0 && len(b.dirty) == 0
}
