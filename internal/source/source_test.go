// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"testing"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

func TestRunner_TellsOfWhatChanges(t *testing.T) {
	w := newWorld(t)
	w.create(w.configMap("old", nil))
	w.start()
	w.source("all", nil)
	w.awaitWatching("all")
	prices := w.configMap("prices", map[string]string{"eur": "1"})
	w.create(prices)
	prices.Data["eur"] = "2"
	w.update(prices)
	other := w.configMap("other", nil)
	other.Labels = nil
	w.create(other)
	w.delete(prices)
	w.awaitTold("all prices configmap.created", "all prices configmap.updated", "all prices configmap.deleted")
}

func TestRunner_PassesOverWhatChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.source("all", nil)
	w.awaitWatching("all")
	prices := w.configMap("prices", nil)
	w.create(prices)
	prices.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"}
	w.update(prices)
	prices.Labels["tier"] = "front"
	w.update(prices)
	w.awaitTold("all prices configmap.created", "all prices configmap.updated")
}

func TestRunner_TellsOfWhatIsThereWhereAskedTo(t *testing.T) {
	w := newWorld(t)
	w.create(w.configMap("old", nil))
	w.start()
	w.source("emits", func(s *hookv1.WebhookEventSourceSpec) { s.InitialObjects = hookv1.InitialObjectsEmit })
	w.awaitWatching("emits")
	w.awaitTold("emits old configmap.created")
	w.stop()
	w.start()
	w.awaitWatching("emits")
	w.create(w.configMap("new", nil))
	w.awaitTold("emits old configmap.created", "emits new configmap.created")
}

func TestRunner_GoesOnAfterARestart(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.source("all", nil)
	w.awaitWatching("all")
	kept, gone := w.configMap("kept", nil), w.configMap("gone", nil)
	w.create(kept, gone)
	w.awaitTold("all kept configmap.created", "all gone configmap.created")
	w.stop()
	kept.Data = map[string]string{"a": "1"}
	w.update(kept)
	kept.Data = map[string]string{"a": "2"}
	w.update(kept)
	w.delete(gone)
	w.start()
	w.awaitTold("all kept configmap.created", "all gone configmap.created",
		"all kept configmap.updated", "all kept configmap.updated", "all gone configmap.deleted")
}
