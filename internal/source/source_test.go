// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/delivery"
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

func TestRunner_TellsWhichPathsHaveChangedWhereSomebodyReadsThem(t *testing.T) {
	w := newWorld(t)
	old := w.configMap("old", map[string]string{"eur": "1"})
	w.create(old)
	w.start()
	w.source("plain", nil)
	w.source("read", nil)
	w.awaitWatching("plain")
	w.awaitWatching("read")
	set := func(eur string) {
		old.Data["eur"] = eur
		w.update(old)
	}
	set("2")
	w.eventually("it is told", w.toldOf("read", "old configmap.updated"))
	w.changed = map[delivery.Name]bool{{Namespace: w.namespace, Name: "read"}: true}
	w.load()
	w.eventually("the states of objects are kept", func() error {
		var kept bool
		err := w.log.Objects(t.Context(), w.watchID(), func(_ string, data []byte) { kept = kept || bytes.Contains(data, []byte(`"eur"`)) })
		if err == nil && !kept {
			err = errors.New("they are not")
		}
		return err
	})
	set("3")
	w.delete(old)
	w.eventually("it is told", w.toldOf("read", "old configmap.updated", "old configmap.updated", "old configmap.deleted"))
	w.eventually("it is told", w.toldOf("plain", "old configmap.updated", "old configmap.updated", "old configmap.deleted"))
	changed := map[string]any{}
	for _, e := range w.events() {
		if paths := e.Extensions[change.ExtensionChanged]; paths != nil {
			changed[tellOf(e)] = paths
			if bytes.Contains(e.Data, []byte("eur")) {
				t.Errorf("the data is %s, want a reference", e.Data)
			}
		}
	}
	if diff := cmp.Diff(map[string]any{"read old configmap.updated": "/data/eur"}, changed); diff != "" {
		t.Errorf("(-want +told):\n%s", diff)
	}
}

// watchID is the id of the only watch of the world.
func (w *world) watchID() string {
	w.Helper()
	stored, err := w.log.Checkpoints(w.Context())
	if err != nil || len(stored) != 1 {
		w.Fatalf("%d checkpoints, %v", len(stored), err)
	}
	for id := range stored {
		return id
	}
	return ""
}

func TestRunner_SaysNothingOfWhatAChangedSpecLeavesOut(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.source("all", nil)
	w.awaitWatching("all")
	kept, left := w.configMap("kept", nil), w.configMap("left", nil)
	kept.Labels["tier"] = "front"
	w.create(kept, left)
	w.awaitTold("all kept configmap.created", "all left configmap.created")
	w.edit("all", func(s *hookv1.WebhookEventSourceSpec) {
		s.Resources[0].Selector.MatchLabels["tier"] = "front"
	})
	w.awaitWatching("all")
	w.awaitSeen("all", 1)
	left.Data = map[string]string{"a": "1"}
	w.update(left)
	kept.Data = map[string]string{"a": "1"}
	w.update(kept)
	w.awaitTold("all kept configmap.created", "all left configmap.created", "all kept configmap.updated")
}
