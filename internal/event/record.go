// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// The record is how an event is stored: a Protocol Buffers message, written by hand for speed, whose
// schema is the list of field numbers below. Records outlive the build that wrote them, by the
// retention of the log, and a rollback reads the records of its successor. Therefore:
//
//   - A field may be added, with a number that was never used, if a build that skips it still
//     delivers the event right. The version stays.
//   - A field is never renumbered and its type never changed. One that is no longer written keeps
//     its number.
//   - A change that old builds must not skip raises recordVersion. They then refuse the record with
//     ErrRecordVersion, and the dispatcher stops instead of sending something else.
//
// The version is the first field, and the data the last, which lets DecodeRecord copy all strings at
// once and keep the data where it is; a reader must not rely on the order of the others.
const recordVersion = 1

// Fields of a record.
const (
	fieldVersion         protowire.Number = 1  // varint
	fieldNamespace       protowire.Number = 2  // string
	fieldID              protowire.Number = 3  // string
	fieldSource          protowire.Number = 4  // string
	fieldType            protowire.Number = 5  // string
	fieldSubject         protowire.Number = 6  // string
	fieldDataContentType protowire.Number = 7  // string
	fieldDataSchema      protowire.Number = 8  // string
	fieldSeconds         protowire.Number = 9  // sint64: seconds since 1970; absent without a time
	fieldNanos           protowire.Number = 10 // varint: nanoseconds, absent for 0
	fieldExtension       protowire.Number = 11 // message, repeated
	fieldOrigin          protowire.Number = 12 // string
	fieldData            protowire.Number = 15 // bytes; empty data differs from none
)

// Fields of an extension. One of the last four holds the value.
const (
	extensionName   protowire.Number = 1 // string
	extensionString protowire.Number = 2 // string
	extensionBool   protowire.Number = 3 // varint
	extensionInt    protowire.Number = 4 // sint32
	extensionBytes  protowire.Number = 5 // bytes
)

// AppendRecord appends the event's record and returns the longer slice. Equal events give equal
// bytes.
func (e *Event) AppendRecord(dst []byte) []byte {
	dst = protowire.AppendTag(dst, fieldVersion, protowire.VarintType)
	dst = protowire.AppendVarint(dst, recordVersion)
	dst = appendString(dst, fieldNamespace, e.Namespace)
	dst = appendString(dst, fieldID, e.ID)
	dst = appendString(dst, fieldSource, e.Source)
	dst = appendString(dst, fieldType, e.Type)
	dst = appendString(dst, fieldSubject, e.Subject)
	dst = appendString(dst, fieldDataContentType, e.DataContentType)
	dst = appendString(dst, fieldDataSchema, e.DataSchema)
	if !e.Time.IsZero() {
		dst = protowire.AppendTag(dst, fieldSeconds, protowire.VarintType)
		dst = protowire.AppendVarint(dst, protowire.EncodeZigZag(e.Time.Unix()))
		if n := e.Time.Nanosecond(); n > 0 {
			dst = protowire.AppendTag(dst, fieldNanos, protowire.VarintType)
			dst = protowire.AppendVarint(dst, uint64(n))
		}
	}
	if len(e.Extensions) > 0 {
		for _, name := range e.ExtensionNames() {
			dst = appendExtension(dst, name, e.Extensions[name])
		}
	}
	dst = appendString(dst, fieldOrigin, e.Origin)
	if e.Data != nil {
		dst = protowire.AppendTag(dst, fieldData, protowire.BytesType)
		dst = protowire.AppendBytes(dst, e.Data)
	}
	return dst
}

func appendString(dst []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return dst
	}
	dst = protowire.AppendTag(dst, field, protowire.BytesType)
	return protowire.AppendString(dst, s)
}

func appendExtension(dst []byte, name string, value any) []byte {
	m := make([]byte, 0, 64)
	m = protowire.AppendTag(m, extensionName, protowire.BytesType)
	m = protowire.AppendString(m, name)
	switch v := value.(type) {
	case string:
		m = protowire.AppendTag(m, extensionString, protowire.BytesType)
		m = protowire.AppendString(m, v)
	case bool:
		m = protowire.AppendTag(m, extensionBool, protowire.VarintType)
		m = protowire.AppendVarint(m, protowire.EncodeBool(v))
	case int32:
		m = protowire.AppendTag(m, extensionInt, protowire.VarintType)
		m = protowire.AppendVarint(m, protowire.EncodeZigZag(int64(v)))
	case []byte:
		m = protowire.AppendTag(m, extensionBytes, protowire.BytesType)
		m = protowire.AppendBytes(m, v)
	}
	dst = protowire.AppendTag(dst, fieldExtension, protowire.BytesType)
	return protowire.AppendBytes(dst, m)
}

// DecodeRecord reads what AppendRecord wrote. The event's Data is a slice of b, which must not be
// changed afterwards; its strings are copies. Unknown fields are skipped; a record of an unknown
// version is ErrRecordVersion.
func DecodeRecord(b []byte) (*Event, error) {
	head, err := checkRecord(b)
	if err != nil {
		return nil, err
	}
	d := decoder{event: &Event{}, text: string(b[:head])}
	for at := 0; at < len(b); {
		field, kind, n := protowire.ConsumeTag(b[at:])
		at += n
		if kind != protowire.BytesType && kind != protowire.VarintType {
			at += protowire.ConsumeFieldValue(field, kind, b[at:])
			continue
		}
		if kind == protowire.VarintType {
			v, n := protowire.ConsumeVarint(b[at:])
			at += n
			d.number(field, v)
			continue
		}
		v, n := protowire.ConsumeBytes(b[at:])
		at += n
		if err := d.bytes(field, v, at-len(v)); err != nil {
			return nil, err
		}
	}
	d.setTime()
	return d.event, nil
}

// Identity is what tells an event from others: its namespace, source and id.
type Identity struct {
	Namespace, Source, ID []byte
}

// RecordIdentity reads of a record no more than the event's identity, which shares the memory of b. It costs a
// fraction of DecodeRecord, and returns the same errors.
func RecordIdentity(b []byte) (Identity, error) {
	var i Identity
	if _, err := checkRecord(b); err != nil {
		return i, err
	}
	for at := 0; at < len(b); {
		field, kind, n := protowire.ConsumeTag(b[at:])
		at += n
		switch field {
		case fieldNamespace:
			i.Namespace, _ = protowire.ConsumeBytes(b[at:])
		case fieldSource:
			i.Source, _ = protowire.ConsumeBytes(b[at:])
		case fieldID:
			i.ID, _ = protowire.ConsumeBytes(b[at:])
		}
		at += protowire.ConsumeFieldValue(field, kind, b[at:])
	}
	return i, nil
}

// checkRecord walks over the record once, so that the decoder need not look at lengths again, and
// returns how much of it lies before the data.
func checkRecord(b []byte) (int, error) {
	field, kind, n := protowire.ConsumeTag(b)
	if n < 0 || field != fieldVersion || kind != protowire.VarintType {
		return 0, errRecord
	}
	version, m := protowire.ConsumeVarint(b[n:])
	if m < 0 {
		return 0, errRecord
	}
	if version != recordVersion {
		return 0, fmt.Errorf("decode event record: version %d: %w", version, ErrRecordVersion)
	}
	head := len(b)
	for at := n + m; at < len(b); {
		field, kind, n := protowire.ConsumeTag(b[at:])
		if n < 0 {
			return 0, errRecord
		}
		m := protowire.ConsumeFieldValue(field, kind, b[at+n:])
		if m < 0 {
			return 0, errRecord
		}
		if field == fieldData && head == len(b) {
			head = at
		}
		at += n + m
	}
	return head, nil
}

// decoder fills one event. Strings are cut out of text, a copy of the record up to the data.
type decoder struct {
	event          *Event
	text           string
	timed          bool
	seconds, nanos int64
}

func (d *decoder) number(field protowire.Number, v uint64) {
	switch field {
	case fieldSeconds:
		d.timed = true
		d.seconds = protowire.DecodeZigZag(v)
	case fieldNanos:
		d.nanos = int64(v % uint64(time.Second))
	}
}

// setTime sets the time once both of its fields are known.
func (d *decoder) setTime() {
	if d.timed {
		d.event.Time = time.Unix(d.seconds, d.nanos).UTC()
	}
}

// bytes takes a field of bytes that begins at the offset.
func (d *decoder) bytes(field protowire.Number, v []byte, offset int) error {
	switch field {
	case fieldData:
		d.event.Data = slices.Clip(v)
	case fieldExtension:
		return d.extension(v, offset)
	default:
		if target := d.event.stored(field); target != nil {
			*target = d.string(v, offset)
		}
	}
	return nil
}

func (d *decoder) string(v []byte, offset int) string {
	if end := offset + len(v); end <= len(d.text) {
		return d.text[offset:end]
	}
	return string(v)
}

// stored returns the attribute that a string field holds, or nil.
func (e *Event) stored(field protowire.Number) *string {
	switch field {
	case fieldNamespace:
		return &e.Namespace
	case fieldID:
		return &e.ID
	case fieldSource:
		return &e.Source
	case fieldType:
		return &e.Type
	case fieldSubject:
		return &e.Subject
	case fieldDataContentType:
		return &e.DataContentType
	case fieldDataSchema:
		return &e.DataSchema
	case fieldOrigin:
		return &e.Origin
	}
	return nil
}

func (d *decoder) extension(b []byte, offset int) error {
	var name string
	var value any
	for at := 0; at < len(b); {
		field, kind, n := protowire.ConsumeTag(b[at:])
		if n < 0 {
			return errRecord
		}
		at += n
		n = protowire.ConsumeFieldValue(field, kind, b[at:])
		if n < 0 {
			return errRecord
		}
		switch kind {
		case protowire.BytesType:
			v, _ := protowire.ConsumeBytes(b[at:])
			start := offset + at + n - len(v)
			switch field {
			case extensionName:
				name = d.string(v, start)
			case extensionString:
				value = d.string(v, start)
			case extensionBytes:
				value = v
			}
		case protowire.VarintType:
			v, _ := protowire.ConsumeVarint(b[at:])
			switch field {
			case extensionBool:
				value = protowire.DecodeBool(v)
			case extensionInt:
				value = int32(protowire.DecodeZigZag(v)) //nolint:gosec // written from an int32
			}
		}
		at += n
	}
	if name == "" || value == nil {
		return nil // an extension of a type that a newer build knows
	}
	if d.event.Extensions == nil {
		d.event.Extensions = make(map[string]any)
	}
	d.event.Extensions[name] = value
	return nil
}
