// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package eventlog is Posthorn's only way to JetStream: the streams that hold events, waiting
// deliveries, dead letters and the attempt log, and the small state beside them.
//
// It moves bytes and sequences. What the bytes mean is the business of event, delivery and
// deliverylog; when something may be removed is the dispatcher's.
package eventlog
