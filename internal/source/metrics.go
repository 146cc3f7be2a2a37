// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn-dev/posthorn/internal/change"
)

// metrics count what the watches do. Their labels are kinds, not sources or objects, so that their number is bounded
// by what the platform lets the dispatcher read.
type metrics struct {
	observations *prometheus.CounterVec
	events       *prometheus.CounterVec
	failures     *prometheus.CounterVec
	lists        *prometheus.CounterVec
	gaps         *prometheus.CounterVec
	lag          *prometheus.HistogramVec
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	labels := []string{"kind"}
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "posthorn_source_" + name, Help: help}, labels)
	}
	m := &metrics{
		observations: counter("observations_total", "Changes that the API server told of, by kind of resource."),
		events:       counter("events_total", "Events that sources made of changes, by kind of resource."),
		failures:     counter("failures_total", "Expressions that failed on an object, and events that could not be made, by kind of resource."),
		lists:        counter("lists_total", "Lists of all objects that were compared with what is remembered, by kind of resource."),
		gaps:         counter("gaps_total", "Intervals of which the cluster had forgotten what happened, by kind of resource."),
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "posthorn_source_lag_seconds",
			Help: "Time from a change, to the second as the object tells it, to its being taken in, by kind of resource.",
			// Objects tell the time to the second, so that finer buckets would say nothing.
			Buckets: []float64{1, 2, 5, 10, 30, 60, 300, 1800},
		}, labels),
	}
	if registerer == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.observations, m.events, m.failures, m.lists, m.gaps, m.lag} {
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
