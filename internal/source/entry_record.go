// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/klauspost/compress/s2"
	apijson "k8s.io/apimachinery/pkg/util/json"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/edge"
	"github.com/posthorn-dev/posthorn/internal/wire"
)

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

// maxStates is the most that the states of one object may take, compressed. It leaves room for the rest of the entry in a
// message of the event log, which takes 4 MiB.
const maxStates = 3 << 20

// record returns the entry as it is stored, with the states of the object that are to be kept, and the keys of those that
// are left out since they do not fit. Their fingerprints stay.
func (e *entry) record(kept objects) (record []byte, left []string, err error) {
	room := maxStates
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
				return nil, nil, fmt.Errorf("encode object: %w", err)
			}
			if state := s2.Encode(nil, text); len(state) <= room {
				room -= len(state)
				nested = wire.AppendBytes(nested, printObject, state)
			} else {
				left = append(left, p.redaction)
			}
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
			return nil, nil, err
		}
		b = wire.AppendBytes(b, entryPart, nested)
	}
	return wire.AppendBool(b, entryGone, e.gone), left, nil
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
			e.managers = readManagers(f.Bytes)
		case entryFields:
			readFields(f.Bytes, e.managers)
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

func readManagers(b []byte) []managerMark {
	managers := make([]managerMark, len(b)/4)
	for i := range managers {
		managers[i].hash = binary.BigEndian.Uint32(b[4*i:])
	}
	return managers
}

// readFields reads how many fields each of the managers has, which earlier builds did not write.
func readFields(b []byte, into []managerMark) {
	for i := range min(len(into), len(b)/4) {
		into[i].fields = binary.BigEndian.Uint32(b[4*i:])
	}
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
