// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package routing keeps the dispatcher's routing table: which endpoints there are and which
// subscriptions want an event.
//
// Run watches Posthorn's resources and the credentials that the operator wrote for them, compiles
// what changed and hands out an immutable Table for each state. What to do with a table, such as
// where a new subscription begins and when an absent endpoint counts as deleted, is the dispatcher's
// business.
package routing
