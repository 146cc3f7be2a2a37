// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"errors"
	"fmt"
)

// ErrCostExceeded is returned by an evaluation that would have cost more than its limit, and was
// stopped there.
var ErrCostExceeded = errors.New("the expression costs too much on this event")

// ErrNotBool is returned by Matches for an expression whose result on this event is neither true
// nor false. Where the type is known beforehand, NewMatcher refuses the expression instead.
var ErrNotBool = errors.New("the filter's result on this event is not a boolean")

// ErrMissing is returned by Transform.Eval for an event that lacks what the expression reads. For a
// filter that is no error: it does not match.
var ErrMissing = errors.New("the event lacks a field that the expression reads")

// ErrEvaluation is returned by an evaluation that failed otherwise: operands of types that do not go
// together, a conversion or a division that fails. The error that wraps it may repeat a value of the
// event, so it is for the tenant and not for a log.
var ErrEvaluation = errors.New("the expression fails on this event")

// Error is the refusal of a pattern or an expression, with its remedy.
type Error struct {
	// Field is what was refused: "types[2]", "sources[0]", "filter" or "transform".
	Field string
	// Line and Column are the place in an expression, both from 1; 0 where there is none.
	Line, Column int
	// Message is one sentence for the author, which says what to write instead.
	Message string
	// Cause is ErrCostExceeded for an expression that would cost too much on every event; nil otherwise.
	Cause error
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Error returns the message with the field and the place before it.
func (e *Error) Error() string {
	s := e.Message
	if e.Line > 0 {
		s = fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, s)
	}
	if e.Field != "" {
		s = e.Field + ": " + s
	}
	return s
}
