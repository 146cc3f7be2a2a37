// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package schema

import "errors"

// ErrRemoteRef is the cause of an Error about a schema that refers to something outside of itself.
var ErrRemoteRef = errors.New("the schema refers to something outside of itself")

// Error is the refusal of a schema, with its remedy.
type Error struct {
	// Pointer is the JSON Pointer to the place in the schema; empty for the whole.
	Pointer string
	// Message is one sentence for the author, without its subject and its full stop.
	Message string
	// Cause is ErrRemoteRef, or nil.
	Cause error
}

// Error returns the message with the place before it.
func (e *Error) Error() string {
	if e.Pointer == "" {
		return e.Message
	}
	return "at " + e.Pointer + ": " + e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }
