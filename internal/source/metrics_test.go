// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/source"
)

// valueOf returns the value of a gauge or a counter, and of a histogram how many values it has.
func valueOf(m *dto.Metric) float64 {
	if h := m.GetHistogram(); h != nil {
		return float64(h.GetSampleCount())
	}
	return m.GetGauge().GetValue() + m.GetCounter().GetValue()
}

// values returns the values of a metric, by the value of its only label.
func (w *world) values(registry *prometheus.Registry, name string) map[string]float64 {
	w.Helper()
	families, err := registry.Gather()
	if err != nil {
		w.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			values[m.GetLabel()[0].GetValue()] = valueOf(m)
		}
	}
	return values
}

// awaitValue waits for a value of a metric.
func (w *world) awaitValue(registry *prometheus.Registry, name, label string, want func(float64) bool) {
	w.Helper()
	w.eventually(name+" tells of "+label, func() error {
		values := w.values(registry, name)
		if value, ok := values[label]; !ok || !want(value) {
			return fmt.Errorf("the values are %v", values)
		}
		return nil
	})
}

// is compares with a number.
func is(n float64) func(float64) bool { return func(v float64) bool { return v == n } }

func TestRunner_CountsSourcesWatchesAndObjects(t *testing.T) {
	w := newWorld(t)
	registry := prometheus.NewRegistry()
	w.create(w.configMap("shoes", nil))
	w.start(func(o *source.Options) { o.Registerer = registry })
	w.source("all", nil)
	w.source("stranger", func(s *hookv1.WebhookEventSourceSpec) { s.ServiceAccountName = "nobody" })
	w.awaitWatching("all")
	w.awaitValue(registry, "posthorn_source_sources", hookv1.ReasonLive, is(1))
	w.awaitValue(registry, "posthorn_source_sources", hookv1.ReasonForbidden, is(1))
	w.awaitValue(registry, "posthorn_source_denied_sources", hookv1.ReasonServiceAccountNotFound, is(1))
	w.awaitValue(registry, "posthorn_source_watches", "following", is(1))
	w.awaitValue(registry, "posthorn_source_watched_objects", "ConfigMap", func(n float64) bool { return n >= 1 })
	w.create(w.configMap("socks", nil))
	w.awaitValue(registry, "posthorn_source_lag_seconds", "ConfigMap", func(n float64) bool { return n >= 1 })
	w.awaitValue(registry, "posthorn_source_silence_seconds", "ConfigMap", func(n float64) bool { return n < 60 })

	w.grant("nobody", "configmaps")
	w.awaitWatching("stranger")
	w.awaitValue(registry, "posthorn_source_denied_sources", hookv1.ReasonServiceAccountNotFound, is(0))
	w.awaitValue(registry, "posthorn_source_sources", hookv1.ReasonLive, is(2))
}
