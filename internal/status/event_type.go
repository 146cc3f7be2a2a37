// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"time"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// seenInterval is how exactly lastSeenTime is told: a type that is always in use costs one write in
// this time.
const seenInterval = time.Minute

// EventTypeFacts are all that the dispatcher knows of an event type.
type EventTypeFacts struct {
	Name delivery.Name
	// UID and Generation are those of the object that the facts are about.
	UID        string
	Generation int64
	// Routed says whether events are checked by this generation. Otherwise NotRoutedReason is a reason of
	// the condition Routed, and NotRoutedMessage a sentence for a user.
	Routed                            bool
	NotRoutedReason, NotRoutedMessage string
	// LastSeen is when this process accepted an event of the type last; zero when it has not.
	LastSeen time.Time
}

// wanted returns what the status of the event type should say. The time that is stored stays until
// one is known that is later by seenInterval.
func (f *EventTypeFacts) wanted(stored *state, now time.Time) *state {
	s := &state{LastSeen: stored.LastSeen}
	if !f.LastSeen.IsZero() && (stored.LastSeen == nil || f.LastSeen.Sub(stored.LastSeen.Time) >= seenInterval) {
		s.LastSeen = optionalSeconds(f.LastSeen)
	}
	s.set(stored, routedCondition(hookv1.KindWebhookEventType, f.Name.Name, f.Generation, f.Routed,
		f.NotRoutedReason, f.NotRoutedMessage), time.Time{}, now)
	return s
}
