// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/status"
)

// metrics count what the watches do. Their labels are kinds, phases and reasons, not sources or objects, so that their
// number is bounded by what the platform lets the dispatcher read.
type metrics struct {
	observations *prometheus.CounterVec
	events       *prometheus.CounterVec
	failures     *prometheus.CounterVec
	lists        *prometheus.CounterVec
	gaps         *prometheus.CounterVec
	lag          *prometheus.HistogramVec

	// What follows is how things are, as the status was last told.
	watches *prometheus.GaugeVec
	objects *prometheus.GaugeVec
	silence *prometheus.GaugeVec
	sources *prometheus.GaugeVec
	denied  *prometheus.GaugeVec
	// kinds are those of which the gauges tell.
	kinds map[string]bool
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	labels := []string{"kind"}
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "posthorn_source_" + name, Help: help}, labels)
	}
	gauge := func(name, help, label string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "posthorn_source_" + name, Help: help}, []string{label})
	}
	m := &metrics{
		observations: counter("observations_total", "Changes that the API server told of, by kind of resource."),
		events:       counter("events_total", "Events that sources made of changes, by kind of resource."),
		failures:     counter("failures_total", "Expressions that failed on an object, events that could not be made, and last states that are too large to be kept, by kind of resource."),
		lists:        counter("lists_total", "Lists of all objects that were compared with what is remembered, by kind of resource."),
		gaps:         counter("gaps_total", "Intervals of which the cluster had forgotten what happened, by kind of resource."),
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "posthorn_source_lag_seconds",
			Help: "Time from a change, to the second as the object tells it, to its being taken in, by kind of resource.",
			// Objects tell the time to the second, so that finer buckets would say nothing.
			Buckets: []float64{1, 2, 5, 10, 30, 60, 300, 1800},
		}, labels),
		watches: gauge("watches", "Watches, by what they are doing.", "phase"),
		objects: gauge("watched_objects", "Objects that are remembered, those that a source selects, by kind of resource.", "kind"),
		silence: gauge("silence_seconds",
			"Time since the API server last showed that the watches of a kind live, the one that is longest ago.", "kind"),
		sources: gauge("sources", "Event sources, by the reason of their condition Watching.", "watching"),
		denied:  gauge("denied_sources", "Event sources that lack a right, by the reason of their condition PermissionsGranted.", "reason"),
		kinds:   map[string]bool{},
	}
	if registerer == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.observations, m.events, m.failures, m.lists, m.gaps, m.lag, m.watches, m.objects, m.silence, m.sources, m.denied,
	} {
		if err := registerer.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

// kindLabel is a kind as labels have it: Deployment.apps, or Pod.
func kindLabel(r change.Resource) string {
	if r.Group == "" {
		return r.Kind
	}
	return r.Kind + "." + r.Group
}

// observed counts a change that the API server told of.
func (m *metrics) observed(k watchKey, o *observation) {
	label := kindLabel(k.resource)
	m.observations.WithLabelValues(label).Inc()
	var changed time.Time
	for _, manager := range o.managers {
		if manager.Time.After(changed) {
			changed = manager.Time
		}
	}
	if !o.gone && !changed.IsZero() {
		m.lag.WithLabelValues(label).Observe(max(0, o.at.Sub(changed).Seconds()))
	}
}

// emitted counts an event.
func (m *metrics) emitted(t *taker) { m.events.WithLabelValues(kindLabel(t.resource)).Inc() }

// failed counts a failure.
func (m *metrics) failed(t *taker) { m.failures.WithLabelValues(kindLabel(t.resource)).Inc() }

// phases are the names of what watches do.
var phases = map[phase]string{
	starting: "starting", relisting: "relisting", following: "following", stalled: "stalled",
	forbidden: "forbidden", notServed: "not_served", refused: "refused", idle: "idle",
}

// reasonsOfWatching and reasonsOfDenial are the reasons of which a gauge is kept, so that one falls back to 0.
var (
	reasonsOfWatching = []string{
		hookv1.ReasonLive, hookv1.ReasonLoading, hookv1.ReasonWatchStalled, hookv1.ReasonKindNotServed, hookv1.ReasonForbidden,
		hookv1.ReasonRelisting, hookv1.ReasonGapUnrecoverable, hookv1.ReasonSuspended, hookv1.ReasonInvalidSpec,
	}
	reasonsOfDenial = []string{
		hookv1.ReasonPermissionMissing, hookv1.ReasonDispatcherPermissionMissing,
		hookv1.ReasonServiceAccountNotFound, hookv1.ReasonServiceAccountNotAllowed,
	}
)

// tell takes in how the watches and the sources are. It is called by one goroutine.
func (m *metrics) tell(states map[watchKey]progress, facts []status.SourceFacts, now time.Time) {
	inPhase, objects, silence := map[phase]int{}, map[string]int{}, map[string]float64{}
	for key, s := range states {
		kind := kindLabel(key.resource)
		inPhase[s.phase]++
		objects[kind] += s.objects
		silence[kind] = max(silence[kind], s.silence(now).Seconds())
	}
	for p, name := range phases {
		m.watches.WithLabelValues(name).Set(float64(inPhase[p]))
	}
	for kind := range m.kinds {
		if _, ok := objects[kind]; !ok {
			m.objects.DeleteLabelValues(kind)
			m.silence.DeleteLabelValues(kind)
		}
	}
	m.kinds = map[string]bool{}
	for kind, n := range objects {
		m.kinds[kind] = true
		m.objects.WithLabelValues(kind).Set(float64(n))
		m.silence.WithLabelValues(kind).Set(silence[kind])
	}
	watching, denied := map[string]int{}, map[string]int{}
	for i := range facts {
		watching[facts[i].Watching.Reason]++
		if p := facts[i].Permissions; p.Known && !p.Holds {
			denied[p.Reason]++
		}
	}
	for _, reason := range reasonsOfWatching {
		m.sources.WithLabelValues(reason).Set(float64(watching[reason]))
	}
	for _, reason := range reasonsOfDenial {
		m.denied.WithLabelValues(reason).Set(float64(denied[reason]))
	}
}

// silence is how long ago the API server last showed that the watch lives, or that it was begun; 0 for one that
// nobody wants.
func (p *progress) silence(now time.Time) time.Duration {
	last := p.alive
	switch {
	case p.phase == idle:
		return 0
	case last.IsZero():
		last = p.since
	}
	return max(0, now.Sub(last))
}
