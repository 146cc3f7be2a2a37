// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"context"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// Verdict is whether something holds: a condition in the making.
type Verdict struct {
	// Known says whether that is known; otherwise the condition is Unknown.
	Known, Holds bool
	// Reason is one of the reasons of the condition, and Message a sentence for a user.
	Reason, Message string
}

// SourceFacts are all that the dispatcher knows of an event source.
type SourceFacts struct {
	Name delivery.Name
	// UID and Generation are those of the object that the facts are about.
	UID        string
	Generation int64
	// Permissions says whether the source may see all that it names, Watching whether its watches live.
	Permissions, Watching Verdict
	// WatchingSince is when they stopped doing so; zero where that is not known.
	WatchingSince time.Time
	// Resources are the kinds, in the order of the spec.
	Resources []hookv1.WatchedResourceStatus
	// Objects is how many objects are selected, Emitted how many events were sent, and LastEvent when the last was.
	Objects, Emitted int64
	LastEvent        time.Time
	// LastGap is the last interval of which nothing is known; nil without one.
	LastGap *hookv1.EventGap
}

// UpdateSource takes in what is known of an event source, as UpdateEndpoint does.
func (w *Writer) UpdateSource(f SourceFacts) {
	w.update(key{hookv1.KindWebhookEventSource, f.Name}, &f, func() (*state, string) {
		var obj hookv1.WebhookEventSource
		if err := w.reader.Get(context.Background(), client.ObjectKey(f.Name), &obj); err != nil {
			return nil, ""
		}
		return storedSource(&obj.Status), string(obj.UID)
	})
}

// ForgetSource drops an event source that is gone: nothing more is written to it.
func (w *Writer) ForgetSource(name delivery.Name) {
	w.board.forget(key{hookv1.KindWebhookEventSource, name})
}

func (f *SourceFacts) about() string { return f.UID }

// storedSource returns the dispatcher's part of the status of an event source.
func storedSource(s *hookv1.WebhookEventSourceStatus) *state {
	return &state{Conditions: own(s.Conditions), Source: &hookv1.WebhookEventSourceStatus{
		Resources: s.Resources, Objects: s.Objects, Emitted: s.Emitted, LastEventTime: s.LastEventTime, LastGap: s.LastGap,
	}}
}

// sourceStatus is the reverse of storedSource.
func (s *state) sourceStatus() hookv1.WebhookEventSourceStatus {
	status := hookv1.WebhookEventSourceStatus{}
	if s.Source != nil {
		status = *s.Source
	}
	status.Conditions = s.Conditions
	return status
}

// wanted returns what the status of the event source should say.
func (f *SourceFacts) wanted(stored *state, now time.Time) *state {
	s := &state{Source: &hookv1.WebhookEventSourceStatus{
		Resources: f.Resources, Objects: count(f.Objects), Emitted: count(f.Emitted), LastEventTime: optionalSeconds(f.LastEvent),
		LastGap: f.LastGap,
	}}
	if stored.Source != nil {
		keepPast(s.Source, stored.Source)
	}
	s.set(stored, f.Permissions.condition(hookv1.ConditionPermissionsGranted, f.Generation), time.Time{}, now)
	watching := f.Watching.condition(hookv1.ConditionWatching, f.Generation)
	if watching.Status == metav1.ConditionFalse {
		saySince(&watching, stored.condition(watching.Type), f.WatchingSince, now)
	}
	s.set(stored, watching, f.WatchingSince, now)
	return s
}

// sinceWords begin the sentence that says since when a source does not watch.
const sinceWords = " This has been so since "

// saySince has the message of a condition say since when it is so: since it was so of what is stored, which may be of an
// earlier run, or else since the time that is given, or now. lastTransitionTime cannot say it, since that is when the
// condition became False, for whatever reason.
func saySince(c, last *metav1.Condition, since, now time.Time) {
	switch c.Reason {
	case hookv1.ReasonInvalidSpec, hookv1.ReasonGapUnrecoverable: // the spec's generation and the message's interval say it
		return
	}
	if since.IsZero() || since.After(now) {
		since = now
	}
	if last != nil && last.Status == c.Status && last.Reason == c.Reason {
		said, _ := strings.CutPrefix(last.Message, c.Message+sinceWords)
		if earlier, err := time.Parse(time.RFC3339, strings.TrimSuffix(said, ".")); err == nil && earlier.Before(since) {
			since = earlier
		}
	}
	c.Message += sinceWords + since.UTC().Format(time.RFC3339) + "."
}

// keepPast takes over what was true of an earlier run and is true for good, where this one does not know it: the facts
// are about what is watched now, which is nothing at the start of a dispatcher, and of a spec that cannot be used.
func keepPast(s, stored *hookv1.WebhookEventSourceStatus) {
	if stored.Emitted != nil && *stored.Emitted > *s.Emitted {
		s.Emitted = stored.Emitted
	}
	if s.LastEventTime == nil || s.LastEventTime.Before(stored.LastEventTime) {
		s.LastEventTime = stored.LastEventTime
	}
	if s.LastGap == nil {
		s.LastGap = stored.LastGap
	}
}

// condition returns the verdict as a condition.
func (v Verdict) condition(conditionType string, generation int64) metav1.Condition {
	c := metav1.Condition{
		Type: conditionType, Status: metav1.ConditionUnknown, ObservedGeneration: generation, Reason: v.Reason, Message: v.Message,
	}
	switch {
	case v.Known && v.Holds:
		c.Status = metav1.ConditionTrue
	case v.Known:
		c.Status = metav1.ConditionFalse
	}
	return c
}
