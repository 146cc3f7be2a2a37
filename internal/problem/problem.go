// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package problem writes the errors of Posthorn's HTTP APIs as application/problem+json (RFC 9457),
// so that ingest and the delivery log answer in one form. It knows HTTP and nothing of Posthorn's
// domain: which errors exist beyond the common ones is said by the packages that answer with them.
package problem

import (
	"errors"
	"net/http"
	"time"
)

// ContentType is the media type of every error answer.
const ContentType = "application/problem+json"

// typePrefix begins the type of every problem. The references are identifiers: clients compare
// them, and people look them up in docs/reference.
const typePrefix = "https://posthorn.dev/problems/"

// Kind is one kind of error: everything about it that does not change from request to request.
type Kind struct {
	// Name is the last segment of the problem's type, such as too-large.
	Name string
	// Title says what it is in a few words.
	Title string
	// Status is the status code of the answer.
	Status int
}

// Type returns the URI that identifies the kind.
func (k Kind) Type() string { return typePrefix + k.Name }

// New returns a problem of the kind. The detail is one or two sentences for a person: what is
// wrong with this request, and what to write instead.
func (k Kind) New(detail string) *Problem {
	return &Problem{Kind: k, Detail: detail, Index: NoIndex}
}

// NoIndex is the Index of a problem that is not about one element of a batch.
const NoIndex = -1

// Problem is one error answer. It is an error itself, so that it can be returned up to where it
// is written.
type Problem struct {
	Kind
	// Detail says what is wrong with this request and what to do instead.
	Detail string
	// Index is the position of the element at fault in a batch, from 0; NoIndex outside batches.
	Index int
	// Attribute names the attribute, header or parameter at fault; empty when there is no single one.
	Attribute string
	// Violations are the places in the element at fault that are not as they should be; empty where that
	// is not what is wrong.
	Violations []Violation
	// RetryAfter is when the same request may succeed; rounded up to seconds, and left out when 0.
	RetryAfter time.Duration
	// Header holds further headers of the answer, such as Allow or WWW-Authenticate.
	Header http.Header
}

// Violation is one place that is not as it should be.
type Violation struct {
	// Pointer is the JSON Pointer (RFC 6901) to the place; empty for the whole.
	Pointer string `json:"pointer"`
	// Detail says what is wrong there.
	Detail string `json:"detail"`
}

// Error returns title and detail.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Title + ": " + p.Detail
}

// After sets RetryAfter and returns the problem.
func (p *Problem) After(wait time.Duration) *Problem {
	p.RetryAfter = wait
	return p
}

// With adds a header to the answer and returns the problem.
func (p *Problem) With(name, value string) *Problem {
	if p.Header == nil {
		p.Header = http.Header{}
	}
	p.Header.Add(name, value)
	return p
}

// About names the attribute, header or parameter at fault and returns the problem.
func (p *Problem) About(attribute string) *Problem {
	p.Attribute = attribute
	return p
}

// Teller is an error that knows which problem it is.
type Teller interface {
	error
	// Problem returns the answer to give for the error.
	Problem() *Problem
}

// From finds the problem in an error: a *Problem or a Teller in its chain. Any other error is
// Internal, without its text: that may hold what a client must not see, and belongs in the log.
func From(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if t, ok := errors.AsType[Teller](err); ok {
		return t.Problem()
	}
	return Internal.New("The request failed for a reason of the server; its log says more.")
}
