// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package retry says when a failed delivery is tried again, and when it is given up: the schedule of
// delays, its jitter, and what a receiver asked for with Retry-After.
//
// It holds no clock and no queue: waiting is the event log's, and the random number is passed in.
package retry
