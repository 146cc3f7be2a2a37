// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/source"
)

// counting is a log that counts the entries that are written.
type counting struct {
	source.Log
	entries *atomic.Int64
}

func (c counting) PutObjects(ctx context.Context, values map[eventlog.ObjectKey][]byte) error {
	c.entries.Add(int64(len(values)))
	return c.Log.PutObjects(ctx, values)
}

// ofApp has a source select another app's objects.
func ofApp(app hookv1.LabelValue) func(*hookv1.WebhookEventSourceSpec) {
	return func(s *hookv1.WebhookEventSourceSpec) {
		s.Resources[0].Selector = &hookv1.LabelSelector{MatchLabels: map[string]hookv1.LabelValue{"app": app}}
	}
}

func TestRunner_WritesOfASourceThatBeginsOnlyWhatItChanges(t *testing.T) {
	w := newWorld(t)
	w.create(w.configMap("shoes", nil), w.configMap("socks", nil))
	var written atomic.Int64
	w.start(func(o *source.Options) { o.Log = counting{o.Log, &written} })
	w.source("all", nil)
	w.awaitWatching("all")
	for _, step := range []struct {
		source string
		app    hookv1.LabelValue
		want   int64
	}{{"none", "garage", 0}, {"both", "shop", 2}} {
		written.Store(0)
		w.source(step.source, ofApp(step.app))
		w.awaitWatching(step.source)
		if got := written.Load(); got != step.want {
			t.Errorf("%s wrote %d entries, want %d", step.source, got, step.want)
		}
	}
}

// stored counts the entries that the log holds.
func (w *world) stored() int {
	w.Helper()
	watches, err := w.log.Checkpoints(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	n := 0
	for watch := range watches {
		if err := w.log.Objects(w.Context(), watch, func(string, []byte) { n++ }); err != nil {
			w.Fatal(err)
		}
	}
	return n
}

func TestRunner_RemembersNothingOfWhatNobodySelects(t *testing.T) {
	w, elsewhere := newWorld(t), newWorld(t)
	registry := prometheus.NewRegistry()
	other := func(name string) *corev1.ConfigMap {
		m := w.configMap(name, nil)
		m.Labels = nil
		return m
	}
	w.create(w.configMap("shoes", nil), other("before"), elsewhere.configMap("foreign", nil))
	var written atomic.Int64
	w.start(func(o *source.Options) { o.Log, o.Registerer = counting{o.Log, &written}, registry })
	w.source("all", nil)
	w.awaitWatching("all")
	later, comes, goes := other("later"), other("comes"), w.configMap("goes", nil)
	w.create(later, comes, goes)
	for range 3 {
		later.Data = map[string]string{"a": later.ResourceVersion}
		w.update(later)
	}
	w.delete(later)
	comes.Labels = map[string]string{"app": "shop"}
	w.update(comes)
	goes.Labels = nil
	w.update(goes)
	w.awaitTold("all goes configmap.created", "all comes configmap.created", "all goes configmap.deleted")
	comes.Labels = nil
	w.update(comes)
	comes.Labels = map[string]string{"app": "shop"}
	w.update(comes)
	w.awaitTold("all goes configmap.created", "all comes configmap.created", "all goes configmap.deleted",
		"all comes configmap.deleted", "all comes configmap.created")
	w.eventually("what nobody selects is not stored", func() error {
		if n := w.stored(); n != 2 {
			return fmt.Errorf("%d entries are", n)
		}
		return nil
	})
	if n := written.Load(); n > 7 { // each time that a selected object changes, comes or goes
		t.Errorf("%d entries were written", n)
	}
	w.awaitValue(registry, "posthorn_source_watched_objects", "ConfigMap", is(2))
}
