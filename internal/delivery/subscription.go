// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"github.com/posthorn-dev/posthorn/internal/filter"
	"github.com/posthorn-dev/posthorn/internal/payload"
	"github.com/posthorn-dev/posthorn/internal/retry"
)

// Subscription is a WebhookSubscription compiled: which events go where, in which form, and how
// often they are tried. It is immutable; a change of spec makes a new one.
type Subscription struct {
	Name Name
	// UID and Generation are those of the object that was compiled.
	UID        string
	Generation int64
	// Endpoint is where the events go.
	Endpoint Name
	// Match decides which events are wanted.
	Match *filter.Matcher
	// Payload makes the request's body.
	Payload *payload.Plan
	// Retry says when the next attempt is made, and when it is given up.
	Retry *retry.Policy
	// DeadLetter is the endpoint that dead letters are also sent to; nil when there is none.
	DeadLetter *Name
	// Suspended subscriptions send nothing: deliveries wait.
	Suspended bool
}
