// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package breaker is the circuit breaker of one endpoint, or of the endpoints of one host: it opens
// after failures in a row, lets single probes through after a while, and closes when they succeed.
//
// It is a state machine without a clock, a lock or a store: the time is passed in, the caller locks,
// and persists what Snapshot returns, so that a restart or a new owner does not hammer a service
// that is down. What counts as a failure is the caller's judgement, expressed as a Verdict.
package breaker
