// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package source makes events of what happens to resources of the cluster: it watches them for the
// WebhookEventSources, and hands the events to ingest.
//
// There is one watch for each resource, field selector and namespace that the dispatcher is restricted to, whatever
// the number of sources; the sources that take part in it are its takers. A watch keeps a fingerprint of each object
// that a taker selects, and what the taker needs to know of it (how long its expression has been true), in memory and in
// the event log. Objects themselves are kept only where a taker compares with the one before.
//
// Nothing is missed and nothing repeated, by the order of writes. Of a batch of changes, first the events are stored,
// then what is remembered of the objects, then the checkpoint: the resource version up to which all is done, and the
// newest sequence of the event log then. After a crash the watch goes on from the checkpoint. A change that was
// remembered is known by its resource version; one whose event was stored, but which was not remembered, by the
// event, since a start reads the events behind the checkpoint. Where the API server no longer knows the checkpoint,
// a list is compared with what is remembered, and what differs is sent as the net effect.
//
// Which source may see what is decided by the API server, by a SubjectAccessReview for the source's ServiceAccount:
// package source never acts as somebody else.
package source
