// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package deliverylog is the attempt log: what was tried, when, and what came of it. It is written
// in flushes, the records of a few milliseconds together with the checkpoint that a restart needs,
// and read newest first.
package deliverylog
