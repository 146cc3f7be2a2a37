// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package event holds the CloudEvent as Posthorn carries it: how an event is read from what a
// producer sends, the rules that it must keep, the record in which it is stored and the two forms
// in which it is sent out.
//
// Three ways lead in: ParseBinary, ParseStructured and ParseBatch read the content modes of the
// CloudEvents HTTP binding, FromJSON makes an event of a bare JSON body. They agree on the rules,
// which Event.Validate states. HTTP itself (status codes, sizes of requests, authentication) is
// ingest's; the storage of records is eventlog's; deduplication belongs to neither of the two.
//
// The context attributes are judged by the CloudEvents SDK. Its JSON reader is not used: it
// truncates fractions, folds the case of names and lets the last of two equal members win, where
// an event that is routed by its attributes has to be refused.
package event
