// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package filter decides whether a subscription wants an event: patterns on its type and source,
// and an expression in CEL over all of it.
//
// An expression is compiled once and evaluated for every event that the patterns let through, on
// the path of every delivery and on behalf of tenants who do not trust each other. So each is
// bounded three times: in length, in the cost that can be known beforehand, and in the cost of one
// evaluation (cost.go). The same environment serves the transforms of package payload.
//
// The index from event types to subscriptions is the router's; this package only says what a
// pattern means.
package filter
