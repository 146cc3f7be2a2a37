// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// updateAs updates an object as a field manager, in a second of its own: managed fields tell the time to the second.
func (w *world) updateAs(manager string, obj client.Object) {
	w.Helper()
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
	if err := w.client.Update(w.Context(), obj, client.FieldOwner(manager)); err != nil {
		w.Fatal(err)
	}
}

// actors are those of the events of a source, "nobody" where there is none.
func (w *world) actors(name string) []string {
	w.Helper()
	var actors []string
	for _, e := range w.events() {
		if e.Source != "/namespaces/"+w.namespace+"/webhookeventsources/"+name {
			continue
		}
		actor, ok := e.Extensions["actor"].(string)
		if !ok {
			actor = "nobody"
		}
		actors = append(actors, actor)
	}
	return actors
}

func (w *world) awaitActors(name string, want ...string) {
	w.Helper()
	w.eventually("the events have their actors", func() error {
		if got := w.actors(name); !slices.Equal(got, want) {
			return fmt.Errorf("they are %q, want %q", got, want)
		}
		return nil
	})
}

func TestRunner_NamesNobodyWhereARemovalLeavesNoTrace(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.source("all", nil)
	w.source("rests", nil)
	w.awaitWatching("all")
	w.awaitWatching("rests")
	prices := w.configMap("prices", map[string]string{"eur": "1", "usd": "1"})
	if err := w.client.Create(t.Context(), prices, client.FieldOwner("shop")); err != nil {
		t.Fatal(err)
	}
	prices.Data["eur"] = "2"
	w.updateAs("editor", prices)
	delete(prices.Data, "usd")
	w.updateAs("remover", prices)
	w.awaitActors("all", "shop", "editor", "nobody")
	w.awaitActors("rests", "shop", "editor", "nobody")

	suspend := func(is bool) {
		w.edit("rests", func(s *hookv1.WebhookEventSourceSpec) { s.Suspend = &is })
		w.eventually("it is known", func() error {
			if f := w.facts("rests"); f.Generation != w.sources["rests"].Generation || is != (f.Watching.Reason == hookv1.ReasonSuspended) {
				return fmt.Errorf("Watching is %+v", f.Watching)
			}
			return nil
		})
	}
	suspend(true)
	var stored corev1.ConfigMap
	if err := w.client.Get(t.Context(), key(w.namespace, "prices"), &stored); err != nil {
		t.Fatal(err)
	}
	stored.Data["gbp"] = "1"
	w.updateAs("banker", &stored)
	delete(stored.Data, "eur")
	w.updateAs("remover", &stored)
	w.awaitActors("all", "shop", "editor", "nobody", "banker", "nobody")
	suspend(false)
	// Of several changes that are told as one it is the newest that left a trace.
	w.awaitActors("rests", "shop", "editor", "nobody", "banker")
	w.source("begins", func(s *hookv1.WebhookEventSourceSpec) { s.InitialObjects = hookv1.InitialObjectsEmit })
	w.awaitActors("begins", "banker")
}
