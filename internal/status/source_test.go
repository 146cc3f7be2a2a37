// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// watching returns the facts of an event source that may see all that it names, and does.
func watching() SourceFacts {
	return SourceFacts{
		Name: delivery.Name{Namespace: "team-a", Name: "pods"}, UID: "uid-1", Generation: 2,
		Permissions: Verdict{Known: true, Holds: true, Reason: hookv1.ReasonGranted, Message: "Granted."},
		Watching:    Verdict{Known: true, Holds: true, Reason: hookv1.ReasonLive, Message: "Alive."},
		Resources: []hookv1.WatchedResourceStatus{{
			APIVersion: "v1", Kind: "Pod", Objects: new(int64(3)), CaughtUp: new(true), LastEventTime: optionalSeconds(noon),
		}},
		Objects: 3, Emitted: 7, LastEvent: noon,
	}
}

func TestSourceFacts_BecomeConditions(t *testing.T) {
	t.Parallel()
	granted := brief{"PermissionsGranted", "True", "Granted", 2}
	tests := map[string]struct {
		change func(*SourceFacts)
		want   []brief
	}{
		"watching": {func(*SourceFacts) {}, []brief{granted, {"Watching", "True", "Live", 2}}},
		"a right that is missing": {
			func(f *SourceFacts) {
				f.Permissions = Verdict{Known: true, Reason: hookv1.ReasonPermissionMissing}
				f.Watching = Verdict{Known: true, Reason: hookv1.ReasonForbidden}
			},
			[]brief{{"PermissionsGranted", "False", "PermissionMissing", 2}, {"Watching", "False", "Forbidden", 2}},
		},
		"a kind that is not served": {
			func(f *SourceFacts) {
				f.Permissions = Verdict{Reason: hookv1.ReasonKindNotServed}
				f.Watching = Verdict{Known: true, Reason: hookv1.ReasonKindNotServed}
			},
			[]brief{{"PermissionsGranted", "Unknown", "KindNotServed", 2}, {"Watching", "False", "KindNotServed", 2}},
		},
		"stalled": {
			func(f *SourceFacts) { f.Watching = Verdict{Known: true, Reason: hookv1.ReasonWatchStalled} },
			[]brief{granted, {"Watching", "False", "WatchStalled", 2}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := watching()
			tc.change(&f)
			if diff := cmp.Diff(tc.want, briefs(f.wanted(&state{}, noon))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSourceFacts_BecomeFields(t *testing.T) {
	t.Parallel()
	f := watching()
	from, to := seconds(noon.Add(-2*time.Hour)), seconds(noon.Add(-time.Hour))
	f.LastGap = &hookv1.EventGap{From: &from, To: &to, Resource: "Event.events.k8s.io"}
	got := f.wanted(&state{}, noon).sourceStatus()
	got.Conditions = nil
	want := hookv1.WebhookEventSourceStatus{
		Resources: f.Resources, Objects: new(int64(3)), Emitted: new(int64(7)), LastEventTime: optionalSeconds(noon), LastGap: f.LastGap,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSourceFacts_TimesOfTransition(t *testing.T) {
	t.Parallel()
	f := watching()
	first := f.wanted(&state{}, noon)
	f.Watching, f.WatchingSince = Verdict{Known: true, Reason: hookv1.ReasonWatchStalled}, noon.Add(5*time.Second)
	stalled := f.wanted(first, soon)
	if got := stalled.condition(hookv1.ConditionWatching).LastTransitionTime; !got.Time.Equal(noon.Add(5 * time.Second)) {
		t.Errorf("the watch stalled at %s, by the condition at %s", noon.Add(5*time.Second), got)
	}
	if got := stalled.condition(hookv1.ConditionPermissionsGranted).LastTransitionTime; !got.Time.Equal(noon) {
		t.Errorf("a condition that stays has another time: %s", got)
	}
	f.Watching, f.WatchingSince = Verdict{Known: true, Reason: hookv1.ReasonRelisting}, soon
	if got := f.wanted(stalled, soon).condition(hookv1.ConditionWatching).LastTransitionTime; !got.Time.Equal(noon.Add(5 * time.Second)) {
		t.Errorf("another reason of the same status moves the time to %s", got)
	}
}

func TestSourceFacts_TheMessageSaysSinceWhen(t *testing.T) {
	t.Parallel()
	message := func(f SourceFacts, stored *state, now time.Time) (string, *state) {
		s := f.wanted(stored, now)
		return s.condition(hookv1.ConditionWatching).Message, s
	}
	stored := &state{}
	f := watching()
	for _, step := range []struct {
		verdict    Verdict
		since, now time.Time
		want       string
	}{
		{f.Watching, time.Time{}, noon, "Alive."},
		{
			Verdict{Known: true, Reason: hookv1.ReasonWatchStalled, Message: "It is stalled."},
			noon.Add(5 * time.Second), soon,
			"It is stalled. This has been so since " + noon.Add(5*time.Second).Format(time.RFC3339) + ".",
		},
		{ // another reason has another time, though the status stays
			Verdict{Known: true, Reason: hookv1.ReasonKindNotServed, Message: "It is gone."},
			time.Time{},
			soon,
			"It is gone. This has been so since " + soon.Format(time.RFC3339) + ".",
		},
		{ // nothing changes
			Verdict{Known: true, Reason: hookv1.ReasonKindNotServed, Message: "It is gone."},
			time.Time{},
			soon.Add(time.Minute),
			"It is gone. This has been so since " + soon.Format(time.RFC3339) + ".",
		},
		{ // a restart finds it anew
			Verdict{Known: true, Reason: hookv1.ReasonKindNotServed, Message: "It is gone."},
			soon.Add(time.Hour), soon.Add(time.Hour),
			"It is gone. This has been so since " + soon.Format(time.RFC3339) + ".",
		},
		{
			Verdict{Known: true, Reason: hookv1.ReasonGapUnrecoverable, Message: "Forgotten from then to now."},
			time.Time{},
			soon.Add(time.Hour),
			"Forgotten from then to now.",
		},
	} {
		f.Watching, f.WatchingSince = step.verdict, step.since
		var got string
		if got, stored = message(f, stored, step.now); got != step.want {
			t.Errorf("got %q, want %q", got, step.want)
		}
	}
}

func TestSourceFacts_ARestartForgetsNothingThatIsPast(t *testing.T) {
	t.Parallel()
	f := watching()
	to := seconds(noon)
	f.LastGap = &hookv1.EventGap{To: &to, Resource: "Event.events.k8s.io"}
	stored := f.wanted(&state{}, noon)

	restarted := watching()
	restarted.Resources, restarted.Objects, restarted.Emitted, restarted.LastEvent = nil, 0, 0, time.Time{}
	got := restarted.wanted(stored, soon).sourceStatus()
	if got.LastGap != f.LastGap || *got.Emitted != 7 || !got.LastEventTime.Time.Equal(noon) || *got.Objects != 0 {
		t.Errorf("right after a restart the status is %+v", got)
	}
	restarted.Emitted, restarted.LastEvent, restarted.LastGap = 8, soon, &hookv1.EventGap{To: &to, Resource: "Pod"}
	got = restarted.wanted(stored, soon).sourceStatus()
	if got.LastGap.Resource != "Pod" || *got.Emitted != 8 || !got.LastEventTime.Time.Equal(soon) {
		t.Errorf("what is newer does not show: %+v", got)
	}
}

func TestWriter_ARestartWritesNothingOfASource(t *testing.T) {
	t.Parallel()
	f := watching()
	to := seconds(noon)
	f.LastGap = &hookv1.EventGap{To: &to, Resource: "Event.events.k8s.io"}
	stored := &hookv1.WebhookEventSource{Status: f.wanted(&state{}, noon).sourceStatus()}
	stored.UID = types.UID(f.UID)
	stored.Status.Effective = &hookv1.EffectiveEventSource{Resources: "Pod"}
	f.LastGap = nil
	run(t, storedObjects{sources: map[delivery.Name]*hookv1.WebhookEventSource{f.Name: stored}}, func(t *testing.T, b *bench) {
		b.UpdateSource(f)
		after(time.Hour)
		if got := b.sink.take(); len(got) != 0 {
			t.Errorf("%d writes after a restart: %+v", len(got), got[0].state.Source)
		}
		f.Watching = Verdict{Known: true, Reason: hookv1.ReasonWatchStalled, Message: "No life."}
		b.UpdateSource(f)
		after(time.Second)
		got := b.sink.take()
		if len(got) != 1 || got[0].key.kind != hookv1.KindWebhookEventSource || got[0].state.Source.LastGap == nil {
			t.Errorf("got %+v, want one write that keeps the gap", got)
		}
		b.ForgetSource(f.Name)
		after(time.Hour)
		if got := b.sink.take(); len(got) != 0 || len(b.board.entries) != 0 {
			t.Errorf("%d writes of what was forgotten, %d entries", len(got), len(b.board.entries))
		}
	})
}

func TestAPIServer_TakesAStatusOfASource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.source("pods")
	to := seconds(noon)
	f.LastGap = &hookv1.EventGap{From: &to, To: &to, Resource: "Event.events.k8s.io"}
	f.Watching = Verdict{Known: true, Reason: hookv1.ReasonWatchStalled, Message: strings.Repeat("é", 5000)}
	f.Emitted, f.Objects = 1<<60, -1
	k := key{hookv1.KindWebhookEventSource, f.Name}
	sink := apiSink{w.client, w.client}
	if err := sink.apply(t.Context(), k, f.UID, f.wanted(&state{}, noon)); err != nil {
		t.Fatal(err)
	}
	// What was written reads back as nothing to write.
	stored := storedSource(&w.readSource("pods").Status)
	if got := urgencyOf(stored, f.wanted(stored, noon)); got != none {
		t.Errorf("urgency of what is stored: got %d, want none", got)
	}
}
