// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package delivery is the domain of one delivery: what an endpoint and a subscription are once
// their specs are compiled, one attempt from event to outcome, and the closed set of reasons why
// an attempt fails or a delivery ends.
//
// It knows no Kubernetes, no JetStream and no sockets: sending is behind Sender, and queues,
// storage and status are the dispatcher's.
package delivery
