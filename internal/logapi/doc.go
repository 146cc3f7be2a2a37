// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package logapi serves the delivery log over HTTP, read-only: the attempts of a namespace, its dead
// letters, the event of a delivery, and the circuit breakers. Answers are JSON, errors problem+json;
// docs/reference/delivery-log.md describes both for users.
//
// Beside it stands the catalogue of event types, which is about events too, and read by the same people.
//
// Each request needs a right in the namespace that it asks about. What is in the log, and that it
// holds no secret, is decided where it is written.
package logapi
