// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"context"
	"sync/atomic"
	"testing"

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
