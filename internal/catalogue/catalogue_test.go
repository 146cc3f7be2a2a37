// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package catalogue_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/catalogue"
	"github.com/posthorn-dev/posthorn/internal/schema"
)

func TestBuiltins_HaveExamplesThatAreValid(t *testing.T) {
	t.Parallel()
	for _, b := range catalogue.Builtins() {
		s, err := schema.Compile(b.Schema)
		if err != nil {
			t.Fatalf("%s: %v", b.Type, err)
		}
		if len(b.Examples) == 0 || b.Description == "" {
			t.Errorf("%s: has no example or no description", b.Type)
		}
		for _, example := range b.Examples {
			if found := s.Validate(example); len(found) > 0 {
				t.Errorf("%s: example %s: %v", b.Type, example, found)
			}
		}
		concrete := strings.NewReplacer("<group>", "apps", "<kind>", "deployment", "<operation>", "updated").Replace(b.Type)
		if catalogue.BuiltinOf(concrete) == nil {
			t.Errorf("%s is listed, and %s is not found", b.Type, concrete)
		}
	}
}

func TestBuiltinOf_FindsWhatPosthornEmits(t *testing.T) {
	t.Parallel()
	for eventType, want := range map[string]bool{
		"dev.posthorn.kubernetes.core.pod.created":                                true,
		"dev.posthorn.kubernetes.apps.deployment.updated.recovered":               true,
		"dev.posthorn.kubernetes.cert-manager.io.certificate.deleted":             true,
		"dev.posthorn.source.gap":                                                 true,
		"dev.posthorn.kubernetes.pod.created":                                     false, // no group
		"dev.posthorn.kubernetes.core.pod.patched":                                false,
		"dev.posthorn.kubernetes.core.pod.recovered":                              false,
		"dev.posthorn.kubernetes.created":                                         false,
		"dev.posthorn.source.gap.recovered":                                       false,
		"com.example.order.created":                                               false,
		"dev.posthorn.kubernetes.core.pod.updated.recovered.recovered":            false,
		"com.example.dev.posthorn.kubernetes.apps.deployment.updated":             false,
		"dev.posthorn.kubernetes.apps.deployment.updated.somethingthatisnotthere": false,
	} {
		if got := catalogue.BuiltinOf(eventType) != nil; got != want {
			t.Errorf("BuiltinOf(%s) finds one: %t, want %t", eventType, got, want)
		}
	}
}

func TestTable_FindsTypesByNamespace(t *testing.T) {
	t.Parallel()
	b := &catalogue.Type{Namespace: "team-a", Name: "b", Type: "com.example.b"}
	a := &catalogue.Type{Namespace: "team-a", Name: "z", Type: "com.example.a"}
	other := &catalogue.Type{Namespace: "team-b", Name: "b", Type: "com.example.b"}
	table := catalogue.NewTable([]*catalogue.Type{b, a, other})
	if got := table.Namespace("team-a")["com.example.b"]; got != b {
		t.Errorf("found %v", got)
	}
	if table.Namespace("team-c") != nil {
		t.Error("a namespace without types has some")
	}
	var order []string
	for _, one := range table.Of("team-a") {
		order = append(order, one.Type)
	}
	if diff := cmp.Diff([]string{"com.example.a", "com.example.b"}, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	count := 0
	table.All(func(*catalogue.Type) { count++ })
	if count != 3 {
		t.Errorf("visited %d types, want 3", count)
	}
}

func TestType_KnowsWhenItWasSeenLast(t *testing.T) {
	t.Parallel()
	one := &catalogue.Type{}
	if !one.Seen().IsZero() {
		t.Error("was seen before")
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	one.See(at)
	one.See(at.Add(-time.Hour))
	if !one.Seen().Equal(at.Truncate(time.Second)) {
		t.Errorf("seen at %v, want %v", one.Seen(), at)
	}
}
