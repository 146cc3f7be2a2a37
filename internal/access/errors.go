// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"errors"
	"time"

	"github.com/posthorn-dev/posthorn/internal/problem"
)

// Errors that Authenticate, Authorize and Gate return; compare with errors.Is.
var (
	// ErrUnauthenticated means that the token is absent, malformed, expired, not meant for
	// Posthorn, or not accepted by the API server.
	ErrUnauthenticated = errors.New("not authenticated")
	// ErrForbidden means that the user is known and lacks the right.
	ErrForbidden = errors.New("forbidden")
	// ErrUnavailable means that the API server could not be asked, or may not be asked so often.
	ErrUnavailable = errors.New("access could not be decided")
)

// Error is one of the errors above with what the client is told about it.
type Error struct {
	kind error
	// Detail is one or two sentences for a person, without any part of the token.
	Detail string
	// RetryAfter is when it is worth asking again; 0 for the errors that time does not mend.
	RetryAfter time.Duration
	// cause is what the API server or the network said. It is for the log, not for the client.
	cause error
}

// Error returns the detail and the cause.
func (e *Error) Error() string {
	if e.cause != nil {
		return e.Detail + ": " + e.cause.Error()
	}
	return e.Detail
}

// Unwrap returns the kind of error, for errors.Is, and the cause.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.kind}
	}
	return []error{e.kind, e.cause}
}

// Problem returns the HTTP answer: 401 with a challenge (RFC 6750), 403, or 503 with Retry-After.
func (e *Error) Problem() *problem.Problem {
	switch {
	case errors.Is(e.kind, ErrUnauthenticated):
		return problem.Unauthenticated.New(e.Detail).
			With("WWW-Authenticate", `Bearer realm="posthorn", error="invalid_token"`)
	case errors.Is(e.kind, ErrForbidden):
		return problem.Forbidden.New(e.Detail)
	default:
		return problem.Unavailable.New(e.Detail).After(e.RetryAfter)
	}
}

func unauthenticated(detail string) *Error { return &Error{kind: ErrUnauthenticated, Detail: detail} }

func forbidden(detail string) *Error { return &Error{kind: ErrForbidden, Detail: detail} }

// unavailable says that the API server could not be asked, because of cause.
func unavailable(cause error) *Error {
	return &Error{
		kind:       ErrUnavailable,
		Detail:     "The Kubernetes API server could not be asked who you are and what you may do; try again.",
		RetryAfter: unavailableRetryAfter,
		cause:      cause,
	}
}

// overloaded says that the API server may not be asked so often, and when it may be.
func overloaded(wait time.Duration) *Error {
	return &Error{
		kind:       ErrUnavailable,
		Detail:     "Too many callers are being checked with the Kubernetes API server; try again.",
		RetryAfter: wait,
	}
}

// unavailableRetryAfter is what clients are asked to wait when the API server is away.
const unavailableRetryAfter = 5 * time.Second
