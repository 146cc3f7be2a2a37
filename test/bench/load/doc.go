// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package load holds what the benchmarks run in processes of their own, so that none of it is counted as
// Posthorn's: the receiver of all requests, the bare clients that Posthorn is held against, and the producer
// that posts events.
package load
