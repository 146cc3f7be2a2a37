// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/posthorn-dev/posthorn/internal/event"
)

// idBytes is how much of the digest an id keeps: 16 bytes make a collision among 10^12 deliveries
// less likely than 10^-14.
const idBytes = 16

// idPrefix is what every id begins with.
const idPrefix = "msg_"

// ID is the webhook-id of an event's delivery to a subscription: the same on every attempt, after a
// crash, and on a new volume, since it is derived from names alone. A delivery to a dead-letter
// endpoint has an id of its own.
func ID(e *event.Event, subscription Name, kind Kind) string {
	var buffer [256]byte // enough for most, without an allocation
	b := buffer[:0]
	for _, part := range [...]string{e.Namespace, e.Source, e.ID, subscription.Namespace, subscription.Name, string(kind)} {
		b = append(b, part...)
		b = append(b, 0) // in none of the parts: ingest refuses control characters
	}
	sum := sha256.Sum256(b)
	var id [len(idPrefix) + 2*idBytes]byte
	copy(id[:], idPrefix)
	hex.Encode(id[len(idPrefix):], sum[:idBytes])
	return string(id[:])
}

// Kind tells the delivery of an event from that of a dead letter.
type Kind string

const (
	// KindEvent is the delivery of an event to a subscription's endpoint.
	KindEvent Kind = ""
	// KindDeadLetter is the delivery of a dead letter to a subscription's dead-letter endpoint. It
	// makes no dead letter when it fails for good, and is outside the counts of the subscription.
	KindDeadLetter Kind = "dead-letter"
)
