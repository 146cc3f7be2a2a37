// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/source"
)

// randomText returns text that hardly any compression makes shorter.
func randomText(t *testing.T, bytes int) string {
	t.Helper()
	b := make([]byte, bytes)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(b)[:bytes]
}

// patchesWithout has a source send patches of what is left of an object without one of its keys.
func patchesWithout(key string) func(*hookv1.WebhookEventSourceSpec) {
	return func(s *hookv1.WebhookEventSourceSpec) {
		s.Data = &hookv1.EventData{Form: hookv1.DataFormPatch, Redact: []hookv1.RedactPointer{hookv1.RedactPointer("/data/" + key)}}
	}
}

// updatesAs counts the updates of an object that are told with a patch, and those with the whole object in place of it.
func (w *world) updatesAs(subject string) (patches, wholes int) {
	w.Helper()
	for _, e := range w.events() {
		var data struct {
			Name   string           `json:"name"`
			Object map[string]any   `json:"object"`
			Patch  []map[string]any `json:"patch"`
		}
		if err := json.Unmarshal(e.Data, &data); err != nil {
			w.Fatal(err)
		}
		switch {
		case data.Name != subject || !bytes.HasSuffix([]byte(e.Type), []byte(".updated")):
		case data.Patch != nil:
			patches++
		case data.Object != nil:
			wholes++
		}
	}
	return patches, wholes
}

func TestRunner_TheStatesOfALargeObjectHoldUpNobody(t *testing.T) {
	w := newWorld(t)
	registry := prometheus.NewRegistry()
	w.start(func(o *source.Options) { o.Registerer = registry })
	names := []string{"a", "b", "c", "d", "e"}
	for _, name := range names {
		w.source(name, patchesWithout(name))
	}
	for _, name := range names {
		w.awaitWatching(name)
	}
	large := w.configMap("large", map[string]string{"text": randomText(t, 950_000), "left": "1"})
	w.create(large)
	for _, name := range names {
		w.eventually("it is told", w.toldOf(name, "large configmap.created"))
	}
	large.Data["left"] = "0"
	w.update(large)
	w.create(w.configMap("small", nil))
	for _, name := range names {
		w.eventually("all is told", w.toldOf(name, "large configmap.created", "large configmap.updated", "small configmap.created"))
	}
	if patches, wholes := w.updatesAs("large"); patches != 3 || wholes != 2 {
		t.Errorf("the update is told with %d patches and %d objects, want 3 of which the state before fits, and 2", patches, wholes)
	}
	w.awaitValue(registry, "posthorn_source_failures_total", "ConfigMap", is(4)) // two sources without it, of two states
	w.stop()
	w.start()
	large.Data["left"] = "2"
	w.update(large)
	for _, name := range names {
		w.eventually("it goes on after a restart", w.toldOf(name, "large configmap.created", "large configmap.updated", "small configmap.created",
			"large configmap.updated"))
	}
}

func TestRunner_WhatIsHeldOfALargeObjectHoldsUpNobody(t *testing.T) {
	w := newWorld(t)
	w.start()
	names := []string{"a", "b", "c"}
	w.source("goes", nil)
	for _, name := range names {
		w.source(name, patchesWithout(name))
	}
	for name := range w.sources {
		w.awaitWatching(name)
	}
	large := w.configMap("large", map[string]string{"text": randomText(t, 950_000), "left": "1"})
	w.create(large)
	suspend := func(yes bool) func(*hookv1.WebhookEventSourceSpec) {
		return func(s *hookv1.WebhookEventSourceSpec) { s.Suspend = &yes }
	}
	for _, name := range names {
		w.eventually("it is told", w.toldOf(name, "large configmap.created"))
		w.edit(name, suspend(true))
		w.eventually("it is suspended", func() error {
			if got := w.facts(name).Watching.Reason; got != hookv1.ReasonSuspended {
				return fmt.Errorf("Watching is %s", got)
			}
			return nil
		})
	}
	large.Data["left"] = "0"
	w.update(large)
	w.create(w.configMap("small", nil))
	w.eventually("the other source goes on", w.toldOf("goes", "large configmap.created", "large configmap.updated", "small configmap.created"))
	for _, name := range names {
		w.edit(name, suspend(false))
		w.eventually("the net effect is told", w.toldOf(name, "large configmap.created", "large configmap.updated net", "small configmap.created net"))
	}
	if patches, wholes := w.updatesAs("large"); patches+wholes != 3 || wholes == 0 {
		t.Errorf("the update is told with %d patches and %d objects, want 3, of which some have no state before", patches, wholes)
	}
}

func TestRunner_SendsAReferenceInPlaceOfALargeObject(t *testing.T) {
	w := newWorld(t)
	c := newClocks(w)
	c.make("v1beta1", "tower")
	w.start()
	c.source("whole", func(s *hookv1.WebhookEventSourceSpec) {
		s.ServiceAccountName = "operator"
		s.Resources = []hookv1.WatchedResource{{APIVersion: c.crd.Spec.Group + "/v1beta1", Kind: "Clock"}}
		s.Data = &hookv1.EventData{Form: hookv1.DataFormObject}
	})
	w.awaitWatching("whole")
	large := c.clock("v1beta1", "large")
	large.Object["spec"] = map[string]any{"face": randomText(t, 1_500_000)}
	w.create(large)
	c.set("v1beta1", "tower", 1)
	w.awaitTold("whole large clock.created", "whole tower clock.updated")
	for _, e := range w.events() {
		var data struct {
			Name      string         `json:"name"`
			Object    map[string]any `json:"object"`
			Truncated map[string]any `json:"truncated"`
		}
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Fatal(err)
		}
		truncated, says := data.Name == "large", e.Extensions["truncated"] == true
		if says != truncated || (data.Object == nil) != truncated {
			t.Errorf("the event of %s has truncated=%t, and the object: %t", data.Name, says, data.Object != nil)
		}
		if want := map[string]any{"form": "Object", "reason": "TooLarge"}; truncated && !maps.Equal(data.Truncated, want) {
			t.Errorf("it says %v, want %v", data.Truncated, want)
		}
	}
}
