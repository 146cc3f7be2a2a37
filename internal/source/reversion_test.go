// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/source"
)

// clocks is a CustomResourceDefinition of a kind with two versions.
type clocks struct {
	*world
	crd *apiextensionsv1.CustomResourceDefinition
}

// newClocks has the API server serve v1beta1 of it, and makes one object.
func newClocks(w *world) *clocks {
	w.Helper()
	w.grant("operator", "clocks")
	c := &clocks{w, &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "clocks." + w.namespace + ".example.com"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: w.namespace + ".example.com", Scope: apiextensionsv1.NamespaceScoped,
			Names:    apiextensionsv1.CustomResourceDefinitionNames{Plural: "clocks", Singular: "clock", Kind: "Clock", ListKind: "ClockList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{clockVersion("v1beta1", true, true)},
		},
	}}
	w.create(c.crd)
	return c
}

func clockVersion(name string, served, storage bool) apiextensionsv1.CustomResourceDefinitionVersion {
	preserve := true
	return apiextensionsv1.CustomResourceDefinitionVersion{
		Name: name, Served: served, Storage: storage,
		Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
			Type: "object", XPreserveUnknownFields: &preserve,
		}},
	}
}

// serve has the API server serve these versions.
func (c *clocks) serve(versions ...apiextensionsv1.CustomResourceDefinitionVersion) {
	c.Helper()
	c.eventually("the definition is changed", func() error {
		if err := c.client.Get(c.Context(), client.ObjectKeyFromObject(c.crd), c.crd); err != nil {
			return err
		}
		c.crd.Spec.Versions = versions
		return c.client.Update(c.Context(), c.crd)
	})
}

// clock returns an object as a version has it.
func (c *clocks) clock(version, name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": c.crd.Spec.Group + "/" + version, "kind": "Clock",
		"metadata": map[string]any{"namespace": c.namespace, "name": name},
		"spec":     map[string]any{"hour": int64(0)},
	}}
}

// make creates clocks through a version, once that is served.
func (c *clocks) make(version string, names ...string) {
	c.Helper()
	for _, name := range names {
		c.eventually("the clock is made", func() error { return c.client.Create(c.Context(), c.clock(version, name)) })
	}
}

// set changes a clock through a version.
func (c *clocks) set(version, name string, hour int64) {
	c.Helper()
	c.eventually("the clock is set", func() error {
		o := c.clock(version, name)
		if err := c.client.Get(c.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		if err := unstructured.SetNestedField(o.Object, hour, "spec", "hour"); err != nil {
			return err
		}
		return c.client.Update(c.Context(), o)
	})
}

// watch makes a source of the clocks, in a version.
func (c *clocks) watch(name, version string, initial hookv1.InitialObjects) {
	c.Helper()
	c.source(name, func(s *hookv1.WebhookEventSourceSpec) {
		s.ServiceAccountName, s.InitialObjects = "operator", initial
		s.Resources = []hookv1.WatchedResource{{APIVersion: c.crd.Spec.Group + "/" + version, Kind: "Clock"}}
	})
}

// awaitNotServed waits until a source says that its kind is not served, with the words.
func (c *clocks) awaitNotServed(name, words string) {
	c.Helper()
	c.eventually("the kind is missing", func() error {
		if f := c.facts(name).Watching; f.Reason != hookv1.ReasonKindNotServed || !strings.Contains(f.Message, words) {
			return fmt.Errorf("Watching is %+v", f)
		}
		return nil
	})
}

// toldOnce returns a check that exactly these events of a source were told, each by itself or as the net effect: at a
// change of a definition the API server ends its watches, and forgets what was before.
func (c *clocks) toldOnce(name string, want ...string) func() error {
	return func() error {
		got := c.toldBy(name)
		for i := range got {
			got[i] = strings.TrimSuffix(got[i], " net")
		}
		slices.Sort(got)
		if want := slices.Sorted(slices.Values(want)); !slices.Equal(got, want) {
			return fmt.Errorf("told are\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
		return nil
	}
}

func TestRunner_GoesOnWhileAKindGetsAnotherVersion(t *testing.T) {
	w := newWorld(t)
	c := newClocks(w)
	c.make("v1beta1", "tower")
	w.start()
	c.watch("old", "v1beta1", hookv1.InitialObjectsEmit)
	c.watch("new", "v1", hookv1.InitialObjectsEmit)
	w.awaitWatching("old")
	c.awaitNotServed("new", "Clock as "+c.crd.Spec.Group+"/v1beta1, and not as "+c.crd.Spec.Group+"/v1:")
	c.set("v1beta1", "tower", 1)
	old := []string{"tower clock.created", "tower clock.updated"}
	w.eventually("the version that is served is told of", c.toldOnce("old", old...))

	c.serve(clockVersion("v1beta1", true, true), clockVersion("v1", true, false))
	w.awaitWatching("new")
	c.set("v1", "tower", 2)
	c.make("v1beta1", "wrist")
	old = append(old, "tower clock.updated", "wrist clock.created")
	told := []string{"tower clock.created", "tower clock.updated", "wrist clock.created"}
	w.eventually("the old version is told of", c.toldOnce("old", old...))
	w.eventually("the new version is told of", c.toldOnce("new", told...))

	c.serve(clockVersion("v1beta1", true, false), clockVersion("v1", true, true))
	c.set("v1", "tower", 2) // what a migration does: it is stored anew, and nothing changes
	c.set("v1beta1", "wrist", 3)
	old, told = append(old, "wrist clock.updated"), append(told, "wrist clock.updated")
	w.eventually("the old version is told of", c.toldOnce("old", old...))
	w.eventually("the new version is told of", c.toldOnce("new", told...))

	c.serve(clockVersion("v1beta1", false, false), clockVersion("v1", true, true))
	c.awaitNotServed("old", "Clock as "+c.crd.Spec.Group+"/v1, and not as "+c.crd.Spec.Group+"/v1beta1")
	c.set("v1", "wrist", 4)
	c.make("v1", "alarm")
	w.delete(c.clock("v1", "tower"))
	told = append(told, "wrist clock.updated", "alarm clock.created", "tower clock.deleted")
	w.eventually("the new version is told of", c.toldOnce("new", told...))
	w.awaitWatching("new")
	if err := c.toldOnce("old", old...)(); err != nil {
		t.Error(err)
	}
}

func TestRunner_TellsNothingAgainInAnotherVersion(t *testing.T) {
	w := newWorld(t)
	c := newClocks(w)
	c.serve(clockVersion("v1beta1", true, true), clockVersion("v1", true, false))
	c.make("v1", "tower", "wrist", "alarm")
	var mu sync.Mutex
	created := map[[2]string]int{}
	count := func(o *source.Options) {
		accept := o.Accept
		o.Accept = func(ctx context.Context, namespace string, events []*event.Event) error {
			mu.Lock()
			defer mu.Unlock()
			for _, e := range events {
				if strings.HasSuffix(e.Type, ".created") {
					created[[2]string{e.Source, e.ID}]++
				}
			}
			return accept(ctx, namespace, events)
		}
	}
	w.start(count)
	c.watch("all", "v1beta1", hookv1.InitialObjectsEmit)
	c.watch("other", "v1beta1", hookv1.InitialObjectsIgnore)
	w.awaitWatching("all")
	w.awaitWatching("other")
	c.set("v1", "tower", 1)
	told := []string{"tower clock.created", "wrist clock.created", "alarm clock.created", "tower clock.updated"}
	w.eventually("they are told", c.toldOnce("all", told...))

	// While it changes over, nothing is lost.
	c.changeTo("all", "v1")
	for hour := range int64(20) {
		c.set("v1", "wrist", hour+1)
		told = append(told, "wrist clock.updated")
	}
	w.awaitWatching("all")
	w.eventually("they are told", c.toldOnce("all", told...))

	// Nor is anything repeated by one that is changed while no dispatcher runs.
	w.stop()
	c.changeTo("all", "v1beta1")
	w.start(count)
	w.awaitWatching("all")
	c.set("v1beta1", "alarm", 1)
	c.make("v1", "kitchen")
	w.eventually("they are told", c.toldOnce("all", append(told, "alarm clock.updated", "kitchen clock.created")...))
	w.eventually("the other source has gone on", func() error {
		if got := len(w.toldBy("other")); got != 1+20+2 {
			return fmt.Errorf("it told of %d changes", got)
		}
		return nil
	})
	w.stop()
	for id, n := range created {
		if n > 1 { // which ingest would know again only for a while
			t.Errorf("%v is offered %d times as created", id, n)
		}
	}
}

// changeTo has a source name another version.
func (c *clocks) changeTo(name, version string) {
	c.Helper()
	c.edit(name, func(s *hookv1.WebhookEventSourceSpec) { s.Resources[0].APIVersion = c.crd.Spec.Group + "/" + version })
}
