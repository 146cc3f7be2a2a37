// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package when decides whether a change of a Kubernetes object is what an event source waits for: an
// expression in CEL over object, oldObject and operation.
//
// Expressions have the functions and the bounds of package filter. Where the API server publishes a
// schema of the resource, they are checked against it, and a field that does not exist is refused by
// name. What an expression has been true of before is kept by package edge; where objects come from,
// and what is taken out of them before they get here, is the caller's.
package when
