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

// gauges returns the values of a gauge, by the value of its only label.
func (w *world) gauges(registry *prometheus.Registry, name string) map[string]float64 {
	w.Helper()
	families, err := registry.Gather()
	if err != nil {
		w.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		if f.GetName() != name || f.GetType() != dto.MetricType_GAUGE {
			continue
		}
		for _, m := range f.GetMetric() {
			values[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
		}
	}
	return values
}

// awaitGauge waits for a value of a gauge.
func (w *world) awaitGauge(registry *prometheus.Registry, name, label string, want func(float64) bool) {
	w.Helper()
	w.eventually(name+" tells of "+label, func() error {
		values := w.gauges(registry, name)
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
	w.awaitGauge(registry, "posthorn_source_sources", hookv1.ReasonLive, is(1))
	w.awaitGauge(registry, "posthorn_source_sources", hookv1.ReasonForbidden, is(1))
	w.awaitGauge(registry, "posthorn_source_denied_sources", hookv1.ReasonServiceAccountNotFound, is(1))
	w.awaitGauge(registry, "posthorn_source_watches", "following", is(1))
	w.awaitGauge(registry, "posthorn_source_watched_objects", "ConfigMap", func(n float64) bool { return n >= 1 })
	w.awaitGauge(registry, "posthorn_source_silence_seconds", "ConfigMap", func(n float64) bool { return n < 60 })

	w.grant("nobody", "configmaps")
	w.awaitWatching("stranger")
	w.awaitGauge(registry, "posthorn_source_denied_sources", hookv1.ReasonServiceAccountNotFound, is(0))
	w.awaitGauge(registry, "posthorn_source_sources", hookv1.ReasonLive, is(2))
}
