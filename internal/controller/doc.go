// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controller reconciles WebhookEndpoints and WebhookSubscriptions: it provisions and rotates
// signing keys, judges what the schema cannot, resolves what an endpoint needs into the one Secret
// that the dispatcher reads, and sums up in Ready what operator and dispatcher found.
//
// A reconciler is a frame around small steps that own one condition each. A step recomputes from the
// world what it reports and never looks at its own last condition. It returns an error only for what
// the API server refused or did not answer; what is wrong with an object is a verdict in the report,
// and finish turns the report into one server-side apply of the status.
//
// Nothing here sends a webhook: the dispatcher does, with what is written here.
package controller
