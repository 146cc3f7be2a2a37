// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/edge"
)

// deployments returns a source of Deployments, with what change makes of its spec.
func deployments(change func(*hookv1.WebhookEventSourceSpec)) *hookv1.WebhookEventSource {
	obj := &hookv1.WebhookEventSource{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "degraded", UID: "uid-1", Generation: 3},
		Spec: hookv1.WebhookEventSourceSpec{
			ServiceAccountName: "events-reader",
			Resources:          []hookv1.WatchedResource{{APIVersion: "apps/v1", Kind: "Deployment"}},
		},
	}
	if change != nil {
		change(&obj.Spec)
	}
	return obj
}

func compiled(t *testing.T, edit func(*hookv1.WebhookEventSourceSpec)) *compile.EventSource {
	t.Helper()
	s, err := compile.Source(deployments(edit))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSource_FillsWhatTheSpecLeavesOut(t *testing.T) {
	t.Parallel()
	s := compiled(t, nil)
	if s.Name != (delivery.Name{Namespace: "team-a", Name: "degraded"}) || s.UID != "uid-1" || s.Generation != 3 {
		t.Errorf("identity: got %+v", s)
	}
	if diff := cmp.Diff([]change.Operation{change.Created, change.Updated, change.Deleted}, s.Operations); diff != "" {
		t.Errorf("Operations (-want +got):\n%s", diff)
	}
	r := s.Resources[0]
	if r.Group != "apps" || r.Version != "v1" || r.Kind != "Deployment" || !r.Labels.Empty() || r.Fields != "" || r.MetadataOnly() {
		t.Errorf("resource: got %+v", r)
	}
	if s.When != nil || s.Form != change.FormReference || !s.Redact.Empty() || s.EmitInitial || s.Suspended {
		t.Errorf("got %+v", s)
	}
	if diff := cmp.Diff(compile.Occurrences{Series: change.SeriesFirst}, s.Occurrences); diff != "" {
		t.Errorf("Occurrences (-want +got):\n%s", diff)
	}
}

func TestSource_TakesWhatTheSpecSays(t *testing.T) {
	t.Parallel()
	yes := true
	s := compiled(t, func(spec *hookv1.WebhookEventSourceSpec) {
		spec.Resources = []hookv1.WatchedResource{
			{APIVersion: "v1", Kind: "Secret", FieldSelector: "type==Opaque,metadata.name!=token"},
			{APIVersion: "events.k8s.io/v1", Kind: "Event", Selector: &hookv1.LabelSelector{
				MatchLabels: map[string]hookv1.LabelValue{"tier": "front"},
				MatchExpressions: []hookv1.LabelRequirement{
					{Key: "team", Operator: hookv1.LabelOperatorIn, Values: []hookv1.LabelValue{"a", "b"}},
				},
			}},
		}
		spec.Operations = []hookv1.Operation{hookv1.OperationDeleted, hookv1.OperationCreated}
		spec.When = &hookv1.When{Expression: "true", Emit: hookv1.EmitBoth, For: "5m"}
		spec.Data = &hookv1.EventData{Form: hookv1.DataFormPatch, Redact: []hookv1.RedactPointer{"/spec"}}
		spec.KubernetesEvents = &hookv1.KubernetesEvents{
			Series: hookv1.EventSeriesFinished, Types: []hookv1.KubernetesEventType{"Warning"},
			Reasons: []hookv1.EventReason{"BackOff"}, RegardingKinds: []hookv1.RegardingKind{"Pod"},
		}
		spec.InitialObjects, spec.Suspend = hookv1.InitialObjectsEmit, &yes
	})
	secret, event := s.Resources[0], s.Resources[1]
	if secret.Group != "" || secret.Version != "v1" || !secret.MetadataOnly() || secret.Fields != "metadata.name!=token,type=Opaque" {
		t.Errorf("Secret: got %+v", secret)
	}
	if event.Group != "events.k8s.io" || event.Labels.String() != "team in (a,b),tier=front" {
		t.Errorf("Event: got %+v", event)
	}
	if diff := cmp.Diff([]change.Operation{change.Created, change.Deleted}, s.Operations); diff != "" || s.Takes(change.Updated) || !s.Takes(change.Deleted) {
		t.Errorf("Operations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&edge.Policy{Expression: "true", Emit: edge.Both, For: 5 * time.Minute}, s.When); diff != "" {
		t.Errorf("When (-want +got):\n%s", diff)
	}
	if s.Form != change.FormPatch || s.Redact.Empty() || !s.EmitInitial || !s.Suspended {
		t.Errorf("got %+v", s)
	}
	want := compile.Occurrences{
		Series: change.SeriesFinished, Types: []string{"Warning"}, Reasons: []string{"BackOff"}, RegardingKinds: []string{"Pod"},
	}
	if diff := cmp.Diff(want, s.Occurrences); diff != "" {
		t.Errorf("Occurrences (-want +got):\n%s", diff)
	}
}

func TestSource_NamesTheFieldThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*hookv1.WebhookEventSourceSpec)
		path   string
		says   string
	}{
		"no ServiceAccount": {func(s *hookv1.WebhookEventSourceSpec) { s.ServiceAccountName = "" }, "spec.serviceAccountName", "name a ServiceAccount"},
		"no resources":      {func(s *hookv1.WebhookEventSourceSpec) { s.Resources = nil }, "spec.resources", "name a kind"},
		"no version": {func(s *hookv1.WebhookEventSourceSpec) {
			s.Resources[0].APIVersion = "apps/v1/beta"
		}, "spec.resources[0].apiVersion", "group and version"},
		"no kind": {func(s *hookv1.WebhookEventSourceSpec) { s.Resources[0].Kind = "" }, "spec.resources[0].kind", "name a kind"},
		"a kind in two versions": {func(s *hookv1.WebhookEventSourceSpec) {
			s.Resources = append(s.Resources, hookv1.WatchedResource{APIVersion: "apps/v1beta1", Kind: "Deployment"})
		}, "spec.resources[1]", "choose one version"},
		"a key that is no label's": {func(s *hookv1.WebhookEventSourceSpec) {
			s.Resources[0].Selector = &hookv1.LabelSelector{MatchLabels: map[string]hookv1.LabelValue{"a b": "c"}}
		}, "spec.resources[0].selector", "a b"},
		"a field without a value": {func(s *hookv1.WebhookEventSourceSpec) {
			s.Resources[0].FieldSelector = "status.phase"
		}, "spec.resources[0].fieldSelector", "status.phase"},
		"namespaces without their selector": {func(s *hookv1.WebhookEventSourceSpec) {
			s.Namespaces = &hookv1.WatchedNamespaces{From: hookv1.FromNamespacesSelector}
		}, "spec.namespaces.selector", "must be set"},
		"a key of a namespace that is no label's": {func(s *hookv1.WebhookEventSourceSpec) {
			s.Namespaces = &hookv1.WatchedNamespaces{From: hookv1.FromNamespacesSelector, Selector: &hookv1.LabelSelector{
				MatchLabels: map[string]hookv1.LabelValue{"a b": "c"},
			}}
		}, "spec.namespaces.selector", "a b"},
		"for without a state": {func(s *hookv1.WebhookEventSourceSpec) {
			s.When = &hookv1.When{Expression: "true", For: "5m"}
		}, "spec.when.for", "change emit"},
		"for that is no duration": {func(s *hookv1.WebhookEventSourceSpec) {
			s.When = &hookv1.When{Expression: "true", Emit: hookv1.EmitBoth, For: "5 minutes"}
		}, "spec.when.for", "5 minutes"},
		"redact of what an event needs": {func(s *hookv1.WebhookEventSourceSpec) {
			s.Data = &hookv1.EventData{Redact: []hookv1.RedactPointer{"/metadata/*"}}
		}, "spec.data.redact", "/metadata/*"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := compile.Source(deployments(tc.change))
			var e *compile.Error
			if !errors.As(err, &e) || e.Path != tc.path || !strings.Contains(e.Message, tc.says) {
				t.Errorf("got %v, want %s with %q", err, tc.path, tc.says)
			}
		})
	}
}

func TestEventSource_AdmitsNamespaces(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		namespaces *hookv1.WatchedNamespaces
		want       []string
	}{
		"omitted, its own":       {want: []string{"", "team-a"}},
		"Same, its own":          {namespaces: &hookv1.WatchedNamespaces{From: hookv1.FromNamespacesSame}, want: []string{"", "team-a"}},
		"All, every one":         {namespaces: &hookv1.WatchedNamespaces{From: hookv1.FromNamespacesAll}, want: []string{"", "team-a", "team-b", "team-c"}},
		"Selector, the selected": {namespaces: &hookv1.WatchedNamespaces{From: hookv1.FromNamespacesSelector, Selector: &hookv1.LabelSelector{MatchLabels: map[string]hookv1.LabelValue{"tier": "front"}}}, want: []string{"", "team-b"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := compiled(t, func(spec *hookv1.WebhookEventSourceSpec) { spec.Namespaces = tc.namespaces })
			var got []string
			for _, namespace := range []string{"", "team-a", "team-b", "team-c"} {
				l := labels.Set{}
				if namespace == "team-b" {
					l["tier"] = "front"
				}
				if s.Admits(namespace, l) {
					got = append(got, namespace)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestOccurrences_AdmitWhatPassesAllLists(t *testing.T) {
	t.Parallel()
	o := compile.Occurrences{Types: []string{"Warning"}, Reasons: []string{"BackOff", "Failed"}, RegardingKinds: []string{"Pod"}}
	backOff := change.KubernetesEvent{Type: "Warning", Reason: "BackOff", Regarding: change.ObjectReference{Kind: "Pod"}}
	if !o.Admits(&backOff) || !(&compile.Occurrences{}).Admits(&backOff) {
		t.Error("an Event that passes all lists is not admitted")
	}
	for name, edit := range map[string]func(*change.KubernetesEvent){
		"another type":   func(e *change.KubernetesEvent) { e.Type = "Normal" },
		"another reason": func(e *change.KubernetesEvent) { e.Reason = "Pulled" },
		"another kind":   func(e *change.KubernetesEvent) { e.Regarding.Kind = "Node" },
	} {
		e := backOff
		edit(&e)
		if o.Admits(&e) {
			t.Errorf("%s is admitted", name)
		}
	}
}

func TestEffectiveEventSource_NamesKindsAndOperations(t *testing.T) {
	t.Parallel()
	s := compiled(t, func(spec *hookv1.WebhookEventSourceSpec) {
		spec.Resources = append(spec.Resources, hookv1.WatchedResource{APIVersion: "batch/v1", Kind: "Job"})
		spec.Operations = []hookv1.Operation{hookv1.OperationUpdated}
	})
	want := &hookv1.EffectiveEventSource{Resources: "Deployment, Job", Operations: []hookv1.Operation{hookv1.OperationUpdated}}
	if diff := cmp.Diff(want, compile.EffectiveEventSource(s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
