// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package wire writes and reads the stored records of Posthorn: Protocol Buffers messages whose
// schema is a list of field numbers beside each record's type.
//
// Records outlive the build that wrote them. A field may be added with a new number when a build
// that skips it still does right; it is never renumbered and never changes its type. A change that
// older builds must not skip raises the record's version, and they refuse it.
package wire

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrMalformed appears when a record is not a message of Protocol Buffers.
var ErrMalformed = errors.New("record is malformed")

// ErrVersion appears when a record was written by a build that this one cannot read.
var ErrVersion = errors.New("record has an unknown version")

// Number is a field's number.
type Number = protowire.Number

// versionField is the number of every record's first field.
const versionField Number = 1

// AppendVersion begins a record.
func AppendVersion(dst []byte, version uint64) []byte { return AppendUint(dst, versionField, version) }

// AppendUint appends an unsigned number; 0 is left out.
func AppendUint(dst []byte, n Number, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return protowire.AppendVarint(protowire.AppendTag(dst, n, protowire.VarintType), v)
}

// AppendInt appends a number of zero or more; less than that is a mistake, written as 0.
func AppendInt(dst []byte, n Number, v int) []byte {
	return AppendUint(dst, n, uint64(max(v, 0)))
}

// AppendBool appends true; false is left out.
func AppendBool(dst []byte, n Number, v bool) []byte {
	return AppendUint(dst, n, protowire.EncodeBool(v))
}

// AppendTime appends a time to the nanosecond; the zero time is left out.
func AppendTime(dst []byte, n Number, t time.Time) []byte {
	if t.IsZero() {
		return dst
	}
	return AppendUint(dst, n, protowire.EncodeZigZag(t.UnixNano()))
}

// AppendString appends a text; the empty one is left out.
func AppendString(dst []byte, n Number, s string) []byte {
	if s == "" {
		return dst
	}
	return protowire.AppendString(protowire.AppendTag(dst, n, protowire.BytesType), s)
}

// AppendBytes appends bytes; none are left out.
func AppendBytes(dst []byte, n Number, b []byte) []byte {
	if len(b) == 0 {
		return dst
	}
	return protowire.AppendBytes(protowire.AppendTag(dst, n, protowire.BytesType), b)
}

// Field is one field of a record as it was read. Number holds the value of a varint, Bytes that of
// a text, of bytes or of a nested record; Bytes alias the record.
type Field struct {
	Number Number
	Uint   uint64
	Bytes  []byte
}

// Int is the field's value as a number of zero or more.
func (f Field) Int() int { return int(f.Uint) } //nolint:gosec // written by AppendInt

// Bool is the field's value as a truth.
func (f Field) Bool() bool { return protowire.DecodeBool(f.Uint) }

// Time is the field's value as a time.
func (f Field) Time() time.Time { return time.Unix(0, protowire.DecodeZigZag(f.Uint)).UTC() }

// String is a copy of the field's text.
func (f Field) String() string { return string(f.Bytes) }

// Read calls field for every field of a record of the version, in the order in which they stand.
// Fields of other types than this package writes are skipped.
func Read(b []byte, version uint64, field func(Field)) error {
	first := true
	err := ReadFields(b, func(f Field) error {
		if first {
			first = false
			if f.Number != versionField || f.Uint != version {
				return fmt.Errorf("%w: %d, this build reads %d", ErrVersion, f.Uint, version)
			}
			return nil
		}
		field(f)
		return nil
	})
	if err == nil && first {
		return fmt.Errorf("%w: the record is empty", ErrVersion)
	}
	return err
}

// ReadFields is Read for a nested record, which has no version of its own.
func ReadFields(b []byte, field func(Field) error) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return ErrMalformed
		}
		b = b[n:]
		f := Field{Number: number}
		switch kind {
		case protowire.VarintType:
			f.Uint, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			f.Bytes, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return ErrMalformed
		}
		b = b[n:]
		if kind != protowire.VarintType && kind != protowire.BytesType {
			continue
		}
		if err := field(f); err != nil {
			return err
		}
	}
	return nil
}
