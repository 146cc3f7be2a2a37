// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package chaos holds the proofs of what docs/reliability.md promises: real operators and dispatchers that are
// killed, whose neighbours misbehave, whose API server is gone, whose disk is full, whose files are cut back or
// restored from a backup. The receivers keep account of every request.
//
// Each test has a short form, which make test runs, and a long one that the environment asks for; the seed of
// the randomness is printed, and CRASH_SEED sets it.
package chaos
