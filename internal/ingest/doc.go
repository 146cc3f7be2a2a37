// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ingest takes events in over HTTP: CloudEvents in their three content modes, and plain
// JSON. It answers 202 only once the event log has stored every event of a request.
//
// A request goes through few steps, each in a file of its own: where it is addressed to (target),
// who sent it (Access), which form it has (mode), its bytes (body), the schemas of its events' types
// (check), its Idempotency-Key (keys), the events that are already stored (window), or may be (doubt), the
// namespace's share of storage (Quota), and the log.
// Errors are problem+json; docs/reference/ingest.md describes them for users.
//
// What a valid event is, package event decides. Who may post, package access decides. Time-outs
// against slow clients are the server's: Configure sets the values that fit this handler.
package ingest
