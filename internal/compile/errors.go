// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"errors"
	"fmt"
)

// ErrStaleCredentials is returned by Endpoint when the credentials were resolved for another
// generation or another incarnation of the object: the operator has yet to write those of this one.
var ErrStaleCredentials = errors.New("credentials belong to another generation")

// Error says which field of an object cannot be used, and what to write instead.
type Error struct {
	// Path is the field's, as in spec.eventTypes[2].
	Path string
	// Message is one clause for a user, without the values of Secrets.
	Message string
	// Cause is what the field's own compiler said, such as a *filter.Error; nil when there is none.
	Cause error
}

// Error returns path and message.
func (e *Error) Error() string { return e.Path + ": " + e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// fieldErrorf makes an Error without a cause.
func fieldErrorf(path, format string, args ...any) *Error {
	return &Error{Path: path, Message: fmt.Sprintf(format, args...)}
}

// fieldError makes an Error that says what its cause says.
func fieldError(path string, cause error) *Error {
	return &Error{Path: path, Message: cause.Error(), Cause: cause}
}
