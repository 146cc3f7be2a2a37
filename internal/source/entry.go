// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	"github.com/klauspost/compress/s2"
	apijson "k8s.io/apimachinery/pkg/util/json"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/edge"
	"github.com/posthorn-dev/posthorn/internal/wire"
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
	return slices.ContainsFunc(e.parts, func(p part) bool { return p.extra != nil && p.extra.pending != "" })
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
	for i, mark := range e.managers {
		for _, m := range managers {
			if mark.hash == hashManager(m) {
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

// objects are the states of one object that are kept, sanitized, by the keys of redactions.
type objects map[string]map[string]any

// The fields of a stored entry.
const (
	entryVersion = 1

	entryNamespace wire.Number = 2
	entryName      wire.Number = 3
	entryRevision  wire.Number = 4
	entryPrint     wire.Number = 5 // repeated: printRedaction, printValue, printObject
	entryManagers  wire.Number = 6 // 4 bytes each
	entryPart      wire.Number = 7 // repeated: partTaker, partEdge, partSeries, partPending
	entryGone      wire.Number = 8
	entryFields    wire.Number = 9 // 4 bytes for each of the managers

	printRedaction wire.Number = 1
	printValue     wire.Number = 2
	printObject    wire.Number = 3 // S2 of JSON

	partTaker   wire.Number = 1
	partEdge    wire.Number = 2 // a record of package edge
	partSeries  wire.Number = 3 // JSON
	partPending wire.Number = 4
)

// record returns the entry as it is stored, with the states of the object that are to be kept.
func (e *entry) record(kept objects) ([]byte, error) {
	b := wire.AppendVersion(nil, entryVersion)
	b = wire.AppendString(b, entryNamespace, e.namespace)
	b = wire.AppendString(b, entryName, e.name)
	b = wire.AppendUint(b, entryRevision, e.version)
	for _, p := range e.prints {
		nested := wire.AppendString(nil, printRedaction, p.redaction)
		nested = wire.AppendBytes(nested, printValue, p.value[:])
		if object := kept[p.redaction]; object != nil {
			text, err := json.Marshal(object)
			if err != nil {
				return nil, fmt.Errorf("encode object: %w", err)
			}
			nested = wire.AppendBytes(nested, printObject, s2.Encode(nil, text))
		}
		b = wire.AppendBytes(b, entryPrint, nested)
	}
	var managers, fields []byte
	for _, m := range e.managers {
		managers = binary.BigEndian.AppendUint32(managers, m.hash)
		fields = binary.BigEndian.AppendUint32(fields, m.fields)
	}
	b = wire.AppendBytes(b, entryManagers, managers)
	b = wire.AppendBytes(b, entryFields, fields)
	for _, p := range e.parts {
		nested, err := p.record()
		if err != nil {
			return nil, err
		}
		b = wire.AppendBytes(b, entryPart, nested)
	}
	return wire.AppendBool(b, entryGone, e.gone), nil
}

func (p part) record() ([]byte, error) {
	b := wire.AppendString(nil, partTaker, p.taker)
	if p.extra.isZero() {
		return b, nil
	}
	if !p.extra.edge.IsZero() {
		b = wire.AppendBytes(b, partEdge, p.extra.edge.Marshal())
	}
	if p.extra.series != (change.SeriesState{}) {
		series, err := json.Marshal(p.extra.series)
		if err != nil {
			return nil, fmt.Errorf("encode series: %w", err)
		}
		b = wire.AppendBytes(b, partSeries, series)
	}
	return wire.AppendString(b, partPending, string(p.extra.pending)), nil
}

// names has equal strings of many entries share their memory.
type names map[string]string

func (n names) of(s string) string {
	if known, ok := n[s]; ok {
		return known
	}
	n[s] = s
	return s
}

// readEntry reads what record wrote. The states of the object are left out unless they are asked for.
func readEntry(uid string, b []byte, shared names, withObjects bool) (*entry, objects, error) {
	e := &entry{uid: uid}
	var kept objects
	var nested error
	err := wire.Read(b, entryVersion, func(f wire.Field) {
		switch f.Number {
		case entryNamespace:
			e.namespace = shared.of(f.String())
		case entryName:
			e.name = f.String()
		case entryRevision:
			e.version = f.Uint
		case entryGone:
			e.gone = f.Bool()
		case entryManagers:
			for m := f.Bytes; len(m) >= 4; m = m[4:] {
				e.managers = append(e.managers, managerMark{hash: binary.BigEndian.Uint32(m)})
			}
		case entryFields:
			for i := range min(len(e.managers), len(f.Bytes)/4) {
				e.managers[i].fields = binary.BigEndian.Uint32(f.Bytes[4*i:])
			}
		case entryPrint:
			p, object, err := readPrint(f.Bytes, shared, withObjects)
			if err != nil {
				nested = err
				return
			}
			e.prints = append(e.prints, p)
			if object != nil {
				if kept == nil {
					kept = objects{}
				}
				kept[p.redaction] = object
			}
		case entryPart:
			p, err := readPart(f.Bytes, shared)
			if err != nil {
				nested = err
				return
			}
			e.parts = append(e.parts, p)
		}
	})
	if err == nil {
		err = nested
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read what is remembered of object %s: %w", uid, err)
	}
	return e, kept, nil
}

func readPrint(b []byte, shared names, withObject bool) (p imprint, object map[string]any, err error) {
	err = wire.ReadFields(b, func(f wire.Field) error {
		switch f.Number {
		case printRedaction:
			p.redaction = shared.of(f.String())
		case printValue:
			copy(p.value[:], f.Bytes)
		case printObject:
			if !withObject {
				return nil
			}
			text, err := s2.Decode(nil, f.Bytes)
			if err != nil {
				return fmt.Errorf("%w: %w", wire.ErrMalformed, err)
			}
			return apijson.Unmarshal(text, &object)
		}
		return nil
	})
	return p, object, err
}

func readPart(b []byte, shared names) (p part, err error) {
	x := &extra{}
	err = wire.ReadFields(b, func(f wire.Field) (err error) {
		switch f.Number {
		case partTaker:
			p.taker = shared.of(f.String())
		case partEdge:
			x.edge, err = edge.Unmarshal(f.Bytes)
		case partSeries:
			err = json.Unmarshal(f.Bytes, &x.series)
		case partPending:
			x.pending = change.Operation(f.String())
		}
		return err
	})
	if !x.isZero() {
		p.extra = x
	}
	return p, err
}

// checkpoint is how far a watch has come.
type checkpoint struct {
	// Version of the record.
	Version int `json:"version"`
	// Kind is what is watched, in whatever version: kind and group. Namespace is where; empty for everywhere.
	Kind      string `json:"kind,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	// ResourceVersion is the one up to which every change is done; empty before the first list.
	ResourceVersion string `json:"resourceVersion,omitempty"`
	// Time is when that was so, by the dispatcher's clock.
	Time time.Time `json:"time"`
	// EventSequence is the newest event of the log then: the events of later changes are behind it.
	EventSequence uint64 `json:"eventSequence"`
	// Takers are the sources that take part, by name.
	Takers map[string]takerRecord `json:"takers,omitempty"`
}

// takerRecord is what a checkpoint says of a taker.
type takerRecord struct {
	// Shape is that of the source's spec when the taker last went through all objects.
	Shape string `json:"shape,omitempty"`
	// Held says that something may have happened since that it was not told.
	Held bool `json:"held,omitempty"`
	// Begun says that it has, at least once: what it finds new since is not what was there before.
	Begun bool `json:"begun,omitempty"`
	// From is the resource version of the list that it last went through: earlier changes are not for it.
	From uint64 `json:"from,omitempty"`
	// Expression is edge.Policy's key of the expression that the states are of.
	Expression uint64 `json:"expression,omitempty"`
	// Emitted is how many events it has sent about the resource, LastEvent when it last did.
	Emitted   int64     `json:"emitted,omitempty"`
	LastEvent time.Time `json:"lastEvent,omitzero"`
}

// checkpointVersion is the version of checkpoints that this build writes and reads.
const checkpointVersion = 1

func readCheckpoint(b []byte) (checkpoint, error) {
	var c checkpoint
	if err := json.Unmarshal(b, &c); err != nil {
		return checkpoint{}, fmt.Errorf("read checkpoint: %w: %w", wire.ErrMalformed, err)
	}
	if c.Version != checkpointVersion {
		return checkpoint{}, fmt.Errorf("read checkpoint: %w: %d, this build reads %d", wire.ErrVersion, c.Version, checkpointVersion)
	}
	return c, nil
}
