// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/status"
)

// gapShownFor is how long the condition Watching tells of a gap.
const gapShownFor = 10 * time.Minute

// outlook is what stands in the way of a source, and where its watches are.
type outlook struct {
	source  *compile.EventSource
	invalid *Invalid
	rows    []outlookRow
	// leaving are watches that the source goes on with for now, though its spec no longer asks for them.
	leaving []leaving
	// staleAfter is how long a watch that lives may show nothing.
	staleAfter time.Duration
}

// outlookRow is that of one of its resources.
type outlookRow struct {
	resource change.Resource
	// unserved says that the cluster does not serve the kind, elsewhere names the API versions that it serves it in;
	// err is what else keeps the source from beginning.
	unserved  bool
	elsewhere []string
	err       error
	verdicts  []verdict
	keys      []watchKey
	// looked says that the source has looked at all objects of the kind before, with another watch.
	looked bool
}

// tellAll hands the facts about all sources to the reporter.
func (r *Runner) tellAll() {
	r.telling.Lock()
	defer r.telling.Unlock()
	states := r.states()
	r.mu.Lock()
	outlooks := make([]*outlook, 0, len(r.outlook))
	for _, o := range r.outlook {
		outlooks = append(outlooks, o)
	}
	r.mu.Unlock()
	now := time.Now()
	facts := make([]status.SourceFacts, len(outlooks))
	for i, o := range outlooks {
		facts[i] = o.facts(states, now)
		// What the status says stays while a start finds out whether it is still true.
		if now.Sub(r.began) > settleTime || !o.unsettled(states) {
			r.opts.Reporter.UpdateSource(facts[i])
		}
	}
	r.meter.tell(states, facts, now)
}

// settleTime is how long after a start the status of a source may wait for its watches.
const settleTime = 30 * time.Second

// unsettled reports whether a watch of the source has not yet begun.
func (o *outlook) unsettled(states map[watchKey]progress) bool {
	for i := range o.rows {
		for _, key := range o.rows[i].keys {
			if s, ok := states[key]; !ok || s.phase == starting {
				return true
			}
		}
	}
	return false
}

// facts returns what is known of a source.
func (o *outlook) facts(states map[watchKey]progress, now time.Time) status.SourceFacts {
	if o.invalid != nil {
		return status.SourceFacts{
			Name: o.invalid.Name, UID: o.invalid.UID, Generation: o.invalid.Generation,
			Permissions: status.Verdict{Reason: hookv1.ReasonInvalidSpec, Message: o.invalid.Message},
			Watching:    status.Verdict{Known: true, Reason: hookv1.ReasonInvalidSpec, Message: o.invalid.Message},
		}
	}
	f := status.SourceFacts{
		Name: o.source.Name, UID: o.source.UID, Generation: o.source.Generation,
		Permissions: o.permissions(), Watching: status.Verdict{Known: true, Holds: true, Reason: hookv1.ReasonLive},
	}
	if o.source.Suspended {
		f.Watching = status.Verdict{
			Known: true, Reason: hookv1.ReasonSuspended,
			Message: fmt.Sprintf("WebhookEventSource %s is suspended: set suspend to false.", o.source.Name.Name),
		}
	}
	id := o.source.Name.String()
	for i := range o.rows {
		row := &o.rows[i]
		w, since := row.watching(states, id, f.Permissions, now.Add(-o.staleAfter), now)
		if !w.Holds && f.Watching.Holds {
			f.Watching, f.WatchingSince = w, since
		}
		f.Resources = append(f.Resources, row.count(states, id, &f, now.Add(-o.staleAfter)))
	}
	if f.Watching.Holds {
		f.Watching.Message = fmt.Sprintf("Every watch has shown life within %s.", spell(o.staleAfter))
	}
	return f
}

// notAsked is what is told of rights that nobody knows.
var notAsked = status.Verdict{Reason: hookv1.ReasonProgressing, Message: "The API server has not yet been asked."}

// permissions returns the first right that is missing.
func (o *outlook) permissions() status.Verdict {
	granted := status.Verdict{
		Known: true, Holds: true, Reason: hookv1.ReasonGranted,
		Message: fmt.Sprintf("ServiceAccount %s may list and watch every resource.", o.source.ServiceAccount),
	}
	for i := range o.rows {
		row := &o.rows[i]
		if row.unserved {
			granted = status.Verdict{
				Reason:  hookv1.ReasonKindNotServed,
				Message: fmt.Sprintf("Rights to %s are looked at once the cluster serves it.", kindLabel(row.resource)),
			}
		}
		if row.err != nil && len(row.verdicts) == 0 {
			granted = notAsked
		}
		for _, v := range row.verdicts {
			switch {
			case v.known && !v.granted:
				return status.Verdict{Known: true, Reason: v.reason, Message: v.message}
			case !v.known:
				granted = notAsked
			}
		}
	}
	return granted
}

// watching returns whether the watches of a resource live, and since when they do not; zero for since it is found.
func (row *outlookRow) watching(
	states map[watchKey]progress, id string, rights status.Verdict, stale, now time.Time,
) (status.Verdict, time.Time) {
	kind := kindLabel(row.resource)
	switch {
	case row.unserved && len(row.elsewhere) > 0:
		return no(hookv1.ReasonKindNotServed, "The cluster serves %s as %s, and not as %s: name one that is served in apiVersion.",
			row.resource.Kind, strings.Join(row.elsewhere, " and "), row.resource.APIVersion()), time.Time{}
	case row.unserved:
		return no(hookv1.ReasonKindNotServed,
			"The cluster serves no %s of %s: install its CustomResourceDefinition, or correct apiVersion and kind.",
			row.resource.Kind, row.resource.APIVersion()), time.Time{}
	case row.err != nil:
		return no(hookv1.ReasonLoading, "%s cannot be watched yet: %s.", kind, reasonOf(row.err)), time.Time{}
	case rights.Known && !rights.Holds:
		return no(hookv1.ReasonForbidden, "A right is missing: see the condition PermissionsGranted."), time.Time{}
	}
	for _, key := range row.keys {
		if v, since := row.living(states[key], id, stale, now); !v.Holds {
			return v, since
		}
	}
	return status.Verdict{Holds: true}, time.Time{}
}

// no returns the verdict that something does not hold.
func no(reason, format string, args ...any) status.Verdict {
	return status.Verdict{Known: true, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// living returns whether one watch of a resource lives, and since when it does not: of one that is stalled, that is when
// the API server last sent an event or a bookmark.
func (row *outlookRow) living(s progress, id string, stale, now time.Time) (status.Verdict, time.Time) {
	kind, begun := kindLabel(row.resource), s.takers[id].begun
	if v, since := row.halted(s, begun); !v.Holds {
		return v, since
	}
	switch {
	case !begun: // the phase is older than the source
		return no(hookv1.ReasonLoading, "The objects of %s are being looked at for the first time.", kind), time.Time{}
	case s.phase == relisting:
		return no(hookv1.ReasonRelisting, "A list of %s is being compared with what is remembered.", kind), s.since
	case s.phase == idle:
		return no(hookv1.ReasonWatchStalled, "The watch of %s does not go on: it is being replaced.", kind), s.since
	case s.alive.Before(stale) && s.held:
		return no(hookv1.ReasonWatchStalled, "Changes of %s wait until the event log stores those before them: look at the dispatcher's log and storage.", kind), s.alive
	case s.alive.Before(stale):
		return no(hookv1.ReasonWatchStalled, "The watch of %s shows no life: it is being replaced.", kind), s.alive
	}
	if g := s.gap; g != nil && now.Sub(g.declared) < gapShownFor {
		return no(hookv1.ReasonGapUnrecoverable,
			"The cluster has forgotten which %s there were from %s to %s. The source goes on.",
			kind, g.from.UTC().Format(time.RFC3339), g.to.UTC().Format(time.RFC3339)), g.declared
	}
	return status.Verdict{Holds: true}, time.Time{}
}

// halted returns what keeps a watch from going on, if anything does. begun says whether the source has looked at all
// objects.
func (row *outlookRow) halted(s progress, begun bool) (status.Verdict, time.Time) {
	kind := kindLabel(row.resource)
	switch s.phase {
	case starting:
		return no(hookv1.ReasonLoading, "The objects of %s are being looked at for the first time.", kind), s.since
	case forbidden:
		return no(hookv1.ReasonForbidden, "The API server refuses the dispatcher the watch of %s.", kind), s.since
	case notServed:
		return no(hookv1.ReasonKindNotServed, "The cluster no longer serves %s of %s: it is being looked for.", row.resource.Kind, row.resource.APIVersion()), s.since
	case refused:
		return no(hookv1.ReasonInvalidSpec, "The API server refuses the watch of %s, so correct its fieldSelector: %s.", kind, s.message), s.since
	case stalled:
		if !begun { // the reason says that no object has been looked at, and the message why
			return no(hookv1.ReasonLoading, "The objects of %s cannot be looked at yet: %s.", kind, orElse(s.message, "it is tried again")), s.since
		}
		since := s.since
		if !s.alive.IsZero() {
			since = s.alive
		}
		return no(hookv1.ReasonWatchStalled, "The watch of %s does not go on: %s.", kind, orElse(s.message, "it is being replaced")), since
	case relisting, following, idle:
	}
	return status.Verdict{Holds: true}, time.Time{}
}

// spell writes a duration for users.
func spell(d time.Duration) string {
	if minutes := d / time.Minute; minutes > 1 && d%time.Minute == 0 {
		return fmt.Sprintf("%d minutes", minutes)
	}
	return d.String()
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// count returns the figures of a resource, and adds them to those of the source.
func (row *outlookRow) count(states map[watchKey]progress, id string, f *status.SourceFacts, stale time.Time) hookv1.WatchedResourceStatus {
	var objects int64
	var last time.Time
	caughtUp := len(row.keys) > 0
	for _, key := range row.keys {
		s := states[key]
		t := s.takers[id]
		objects += t.objects
		f.Objects += t.objects
		f.Emitted += t.emitted
		if t.lastEvent.After(last) {
			last = t.lastEvent
		}
		caughtUp = caughtUp && s.phase == following && t.begun && !s.alive.Before(stale)
		if s.gap != nil && (f.LastGap == nil || s.gap.to.After(f.LastGap.To.Time)) {
			from, to := metav1.NewTime(s.gap.from.Truncate(time.Second)), metav1.NewTime(s.gap.to.Truncate(time.Second))
			f.LastGap = &hookv1.EventGap{From: &from, To: &to, Resource: kindLabel(row.resource)}
		}
	}
	if last.After(f.LastEvent) {
		f.LastEvent = last
	}
	out := hookv1.WatchedResourceStatus{
		APIVersion: row.resource.APIVersion(), Kind: row.resource.Kind, Objects: &objects, CaughtUp: &caughtUp,
	}
	if !last.IsZero() {
		at := metav1.NewTime(last.Truncate(time.Second))
		out.LastEventTime = &at
	}
	return out
}
