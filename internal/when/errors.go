// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package when

import (
	"errors"

	"github.com/posthorn-dev/posthorn/internal/filter"
)

// ErrNoSchema is returned where there is no schema of a kind. Its objects can be looked at all the
// same, with a nil Schema.
var ErrNoSchema = errors.New("the document has no schema of the kind")

// ErrMissing is returned by an evaluation that read what the object does not have.
var ErrMissing = errors.New("the object lacks a field that the expression reads")

// ErrCostExceeded is returned by an evaluation that would have cost more than CostLimit, and was
// stopped there.
var ErrCostExceeded = errors.New("the expression costs too much on this object")

// ErrNotBool is returned by an evaluation whose result is neither true nor false. Where the type is
// known beforehand, Compile refuses the expression instead.
var ErrNotBool = errors.New("the expression's result on this object is not a boolean")

// ErrEvaluation is returned by an evaluation that failed otherwise: operands of types that do not go
// together, a conversion or a division that fails. The error that wraps it may repeat a value of the
// object, so it is for the tenant and not for a log.
var ErrEvaluation = errors.New("the expression fails on this object")

// Error is the refusal of an expression, with its place and its remedy.
type Error = filter.Error
