// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"errors"
	"fmt"
)

// ErrRecordVersion is returned by DecodeRecord for a record of a version that this build does not
// know, such as one that a newer Posthorn wrote before it was rolled back.
var ErrRecordVersion = errors.New("unknown version of an event record")

// errRecord is returned by DecodeRecord for bytes that are no record at all.
var errRecord = errors.New("malformed event record")

// ErrorKind says why an event was refused, in the classes that HTTP tells apart.
type ErrorKind string

// Kinds of refusal, each with the HTTP status that ingest answers.
const (
	// Malformed means that the bytes are not a CloudEvent: broken JSON, an attribute that is
	// missing or of the wrong form, data that is not what its content type says (400).
	Malformed ErrorKind = "Malformed"
	// Reserved means that the event claims a type or an attribute of Posthorn's own (403).
	Reserved ErrorKind = "Reserved"
	// TooLarge means that the event, its attributes or its batch pass a limit (413).
	TooLarge ErrorKind = "TooLarge"
	// Unprocessable means that the event is sound and still cannot be taken, for a reason that is
	// outside of it, such as an idempotency key that was used for another event (422). No function
	// of this package returns it; callers report their own refusals with it.
	Unprocessable ErrorKind = "Unprocessable"
)

// Error is the refusal of an event. Its text is for the producer: it says what is wrong and what to
// send instead, and repeats no value of the event.
type Error struct {
	Kind ErrorKind
	// Attribute is the context attribute at fault, "data" for the payload, or empty.
	Attribute string
	// Index is the place in the batch, from 0, of the event at fault; -1 when there is no batch or
	// the whole of it is at fault.
	Index int
	// Message is one sentence without its subject, such as "must not be empty".
	Message string
}

// Error returns the refusal with the place in the batch and the attribute before it.
func (e *Error) Error() string {
	s := e.Message
	if e.Attribute != "" {
		s = e.Attribute + ": " + s
	}
	if e.Index >= 0 {
		s = fmt.Sprintf("event %d of the batch: %s", e.Index, s)
	}
	return s
}

// refuse makes an Error outside of a batch.
func refuse(kind ErrorKind, attribute, format string, args ...any) *Error {
	return &Error{Kind: kind, Attribute: attribute, Index: -1, Message: fmt.Sprintf(format, args...)}
}

// malformed makes an Error of the most frequent kind.
func malformed(attribute, format string, args ...any) *Error {
	return refuse(Malformed, attribute, format, args...)
}

// at places err at index i of a batch.
func at(i int, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return fmt.Errorf("event %d of the batch: %w", i, err)
	}
	placed := *e
	placed.Index = i
	return &placed
}
