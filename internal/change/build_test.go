// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/event"
)

var deployment = change.Resource{Group: "apps", Version: "v1", Kind: "Deployment"}

// update is the change of the Deployment of testdata, which got its third replica.
func update(t testing.TB, form change.Form) change.Change {
	t.Helper()
	before, after := clean(t, "deployment"), clean(t, "deployment")
	at(t, after, "metadata").(map[string]any)["resourceVersion"] = "48214"
	status := at(t, after, "status").(map[string]any)
	status["availableReplicas"] = int64(3)
	delete(status, "unavailableReplicas")
	return change.Change{
		SourceNamespace: "team-a", SourceName: "deploys", Resource: deployment, Operation: change.Updated, Form: form,
		Object: change.ReferenceOf(after), Old: before, New: after, Actor: "kube-controller-manager",
		Time: instant(t, "2026-11-23T10:31:00Z"),
	}
}

// build makes the event, and holds it to all rules but the one that only a producer has to keep.
func build(t testing.TB, c change.Change) *event.Event {
	t.Helper()
	e, err := change.Build(c)
	if err != nil {
		t.Fatal(err)
	}
	foreign := *e
	foreign.Type = "com.example" + strings.TrimPrefix(e.Type, "dev.posthorn")
	foreign.Source = "/foreign"
	if err := foreign.Validate(); err != nil {
		t.Fatalf("the event is not valid: %v", err)
	}
	if body := e.AppendStructured(nil); len(body) > event.MaxEventBytes {
		t.Fatalf("the event takes %d bytes in JSON", len(body))
	}
	return e
}

func TestBuild(t *testing.T) {
	t.Parallel()
	const reference = `"apiVersion":"apps/v1","kind":"Deployment","namespace":"team-a","name":"shop","uid":"5d0b8c5a-2f0f-4a56-9a1c-1f6d4f0f6f11","resourceVersion":"48214","labels":{"app.kubernetes.io/name":"shop","team":"a"}`
	got := build(t, update(t, change.FormPatch))
	want := &event.Event{
		Namespace: "team-a", ID: "5d0b8c5a-2f0f-4a56-9a1c-1f6d4f0f6f11-48214-updated",
		Source: "/namespaces/team-a/webhookeventsources/deploys", Type: "dev.posthorn.kubernetes.apps.deployment.updated",
		Subject: "team-a/shop", DataContentType: "application/json", Time: instant(t, "2026-11-23T10:31:00Z"),
		Extensions: map[string]any{"actor": "kube-controller-manager", "changed": "/status/availableReplicas,/status/unavailableReplicas"},
		Origin:     "source:team-a:deploys",
		Data: []byte(`{` + reference + `,"patch":[{"op":"replace","path":"/metadata/resourceVersion","value":"48214"},` +
			`{"op":"replace","path":"/status/availableReplicas","value":3},{"op":"remove","path":"/status/unavailableReplicas"}],` +
			`"changed":["/status/availableReplicas","/status/unavailableReplicas"]}`),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Patch (-want +got):\n%s", diff)
	}

	got = build(t, update(t, change.FormReference))
	if want := `{` + reference + `}`; string(got.Data) != want {
		t.Errorf("Reference: %s, want %s", got.Data, want)
	}
	if diff := cmp.Diff(map[string]any{"actor": "kube-controller-manager"}, got.Extensions); diff != "" {
		t.Errorf("Reference (-want +got):\n%s", diff)
	}

	c := update(t, change.FormObject)
	data := dataOf(t, build(t, c))
	if diff := cmp.Diff(c.New, data["object"]); diff != "" {
		t.Errorf("Object (-want +got):\n%s", diff)
	}
}

func TestBuild_MarksWhatTheReaderMustKnow(t *testing.T) {
	t.Parallel()
	c := update(t, change.FormReference)
	c.NetEffect, c.Edge, c.Changed, c.Actor = true, change.Recovered, []string{"/a,b", "/c"}, "x\n"+strings.Repeat("é", 1000)
	got := build(t, c)
	if want := "dev.posthorn.kubernetes.apps.deployment.updated.recovered"; got.Type != want {
		t.Errorf("type = %q, want %q", got.Type, want)
	}
	if got.Extensions["neteffect"] != true || got.Extensions["changed"] != "/a%2Cb,/c" {
		t.Errorf("extensions = %v", got.Extensions)
	}
	if actor := got.Extensions["actor"].(string); len(actor) > 512 || !strings.HasPrefix(actor, "xéé") {
		t.Errorf("actor = %q", actor)
	}
}

func TestBuild_OfKubernetesEvents(t *testing.T) {
	t.Parallel()
	object := clean(t, "event-kubelet")
	e := build(t, change.Change{
		SourceNamespace: "team-a", SourceName: "warnings", Resource: change.Resource{Group: "events.k8s.io", Version: "v1", Kind: "Event"},
		Operation: change.Created, Form: change.FormObject, Object: change.ReferenceOf(object), New: object, Finished: true,
	})
	want := map[string]any{"reason": "BackOff", "kubernetestype": "Warning", "regardingkind": "Pod", "regardingname": "shop-7c9d-x2x8q"}
	if diff := cmp.Diff(want, e.Extensions); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if e.Type != "dev.posthorn.kubernetes.events.k8s.io.event.created" || e.ID != "aaaaaaaa-0000-0000-0000-000000000001-48310-finished" {
		t.Errorf("type %q, id %q", e.Type, e.ID)
	}
}

func TestBuild_WithoutAStateBefore(t *testing.T) {
	t.Parallel()
	c := update(t, change.FormPatch)
	c.Operation, c.Old = change.Created, nil
	data := dataOf(t, build(t, c))
	if _, ok := data["patch"]; ok || data["object"] == nil {
		t.Errorf("data of a creation = %v, want the object and no patch", data)
	}

	c = update(t, change.FormPatch)
	c.Old = c.New
	data = dataOf(t, build(t, c))
	if diff := cmp.Diff([]any{}, data["patch"]); diff != "" {
		t.Errorf("the patch of no change (-want +got):\n%s", diff)
	}
}

func TestBuild_OfDeletions(t *testing.T) {
	t.Parallel()
	for _, form := range []change.Form{change.FormReference, change.FormObject, change.FormPatch} {
		c := update(t, form)
		c.Operation, c.Old, c.New = change.Deleted, c.New, nil
		e := build(t, c)
		data := dataOf(t, e)
		if _, ok := data["object"]; ok != (form == change.FormObject) || data["patch"] != nil {
			t.Errorf("%s: data = %v", form, data)
		}
		c.Old, c.Object.ResourceVersion, c.Object.Labels = nil, "", nil
		found := build(t, c)
		if found.ID != e.ID || dataOf(t, found)["object"] != nil {
			t.Errorf("%s: a deletion found by a list is %q with %s, want %q and no object", form, found.ID, found.Data, e.ID)
		}
	}
}

func TestBuild_SendsAReferenceInPlaceOfWhatIsTooMuch(t *testing.T) {
	t.Parallel()
	deep := map[string]any{}
	for range event.MaxDepth {
		deep = map[string]any{"d": deep}
	}
	deep["metadata"] = map[string]any{"name": "deep", "uid": "u", "resourceVersion": "1"}
	tests := map[string]struct {
		object map[string]any
		reason string
	}{
		"large": {large(), "TooLarge"},
		"deep":  {deep, "TooDeep"},
	}
	for name, tc := range tests {
		for _, form := range []change.Form{change.FormObject, change.FormPatch} {
			old := map[string]any{"metadata": tc.object["metadata"]}
			e := build(t, change.Change{
				SourceNamespace: "team-a", SourceName: "all", Resource: change.Resource{Version: "v1", Kind: "ConfigMap"},
				Operation: change.Updated, Form: form, Object: change.ReferenceOf(tc.object), Old: old, New: tc.object,
			})
			data := dataOf(t, e)
			if e.Extensions["truncated"] != true || data["object"] != nil || data["patch"] != nil {
				t.Errorf("%s, %s: not a reference: %v", name, form, e.Extensions)
			}
			if diff := cmp.Diff(map[string]any{"form": string(form), "reason": tc.reason}, data["truncated"]); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", name, form, diff)
			}
			if form == change.FormPatch && e.Extensions["changed"] == nil {
				t.Errorf("%s: what changed is lost", name)
			}
		}
	}
}

func TestBuild_SaysWhereTheObjectIsNotKnown(t *testing.T) {
	t.Parallel()
	c := change.Change{
		SourceNamespace: "team-a", SourceName: "all", Resource: change.Resource{Version: "v1", Kind: "ConfigMap"},
		Operation: change.Updated, Edge: change.Turned, Form: change.FormObject,
		Object: change.Reference{APIVersion: "v1", Kind: "ConfigMap", Name: "a", UID: "u", ResourceVersion: "1"},
	}
	e := build(t, c)
	if diff := cmp.Diff(map[string]any{"form": "Object", "reason": "NotKept"}, dataOf(t, e)["truncated"]); diff != "" || e.Extensions["truncated"] != true {
		t.Errorf("%v (-want +got):\n%s", e.Extensions, diff)
	}
}

// The data is as deep as can be sent, and one level deeper.
func TestBuild_KnowsHowDeepDataNests(t *testing.T) {
	t.Parallel()
	nest := func(levels int) any {
		var v any = "x"
		for range levels {
			v = []any{v}
		}
		return v
	}
	// The data, its patch and a step are three levels; the data, the object and its spec are, too.
	for _, form := range []change.Form{change.FormObject, change.FormPatch} {
		for levels, truncated := range map[int]bool{event.MaxDepth - 3: false, event.MaxDepth - 2: form == change.FormPatch, event.MaxDepth - 1: true} {
			c := update(t, form)
			c.New["spec"] = nest(levels)
			if got := build(t, c).Extensions["truncated"] == true; got != truncated {
				t.Errorf("%s with %d levels in a field: truncated = %t", form, levels, got)
			}
		}
	}
}

func TestBuild_LeavesOutLabelsThatAreTooMuch(t *testing.T) {
	t.Parallel()
	c := update(t, change.FormReference)
	c.Object.Labels = map[string]string{}
	for i := range 20_000 {
		c.Object.Labels[fmt.Sprint("label-", i)] = strings.Repeat("x", 60)
	}
	if data := dataOf(t, build(t, c)); data["labels"] != nil || data["truncated"] == nil {
		t.Errorf("data = %.200v", data)
	}
}

func TestBuild_Refuses(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*change.Change){
		"a change without a source":                func(c *change.Change) { c.SourceName = "" },
		"a change without a namespace":             func(c *change.Change) { c.SourceNamespace = "" },
		"a change without a kind":                  func(c *change.Change) { c.Resource.Kind = "" },
		"an object without a name":                 func(c *change.Change) { c.Object.Name = "" },
		"an object without a uid":                  func(c *change.Change) { c.Object.UID = "" },
		"an update without a version":              func(c *change.Change) { c.Object.ResourceVersion = "" },
		"an unknown operation":                     func(c *change.Change) { c.Operation = "Moved" },
		"an object that is not JSON":               func(c *change.Change) { c.Form = change.FormObject; c.New["x"] = math.Inf(1) },
		"a finished series that lacks its version": func(c *change.Change) { c.Finished, c.Operation, c.Object.ResourceVersion = true, change.Deleted, "" },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := update(t, change.FormReference)
			spoil(&c)
			if e, err := change.Build(c); err == nil {
				t.Errorf("built %+v", e)
			}
		})
	}
}

// Nothing that is never sent may be anywhere in an event.
func TestBuild_HoldsNothingThatWasTakenAway(t *testing.T) {
	t.Parallel()
	r := redaction(t, "/spec/template/spec/containers/*/env")
	after := change.Sanitize(load(t, "deployment"), r)
	for _, form := range []change.Form{change.FormObject, change.FormPatch} {
		c := update(t, form)
		c.Old, c.New = map[string]any{}, after
		e := build(t, c)
		for _, secret := range []string{"s3cret", "managedFields", "last-applied", "TOKEN"} {
			if text := string(e.AppendStructured(nil)); strings.Contains(text, secret) {
				t.Errorf("%s: the event holds %q: %s", form, secret, text)
			}
		}
	}
}

func dataOf(t testing.TB, e *event.Event) map[string]any {
	t.Helper()
	if !json.Valid(e.Data) {
		t.Fatalf("data is not JSON: %s", e.Data)
	}
	return decode(t, string(e.Data))
}
