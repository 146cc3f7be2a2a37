// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package compile turns the specs of Posthorn's resources into the values of the domain.
//
// It is the only place that knows both sides. The operator calls it to validate and the dispatcher
// to run, so that a spec that was accepted cannot fail at delivery for a reason that the status
// never showed. It reads nothing but its arguments: what a spec refers to comes resolved, in
// Credentials.
package compile
