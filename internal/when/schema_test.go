// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package when

import (
	"errors"
	"os"
	"testing"
)

func TestSchemaFor_WithoutSchema(t *testing.T) {
	t.Parallel()
	widgets, err := os.ReadFile("testdata/widgets.json")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		document             []byte
		group, version, kind string
		want                 error
	}{
		"no such kind":       {widgets, "example.com", "v1", "Gadget", ErrNoSchema},
		"no such version":    {widgets, "example.com", "v2", "Widget", ErrNoSchema},
		"no such group":      {widgets, "", "v1", "Widget", ErrNoSchema},
		"no fields":          {widgets, "example.com", "v1", "Blob", ErrNoSchema},
		"an empty document":  {[]byte(`{}`), "example.com", "v1", "Widget", ErrNoSchema},
		"no document at all": {[]byte(`nope`), "example.com", "v1", "Widget", nil},
		"a type of a type":   {[]byte(`{"components":{"schemas":{"a":{"type":3,"x-kubernetes-group-version-kind":[{"kind":"K"}]}}}}`), "", "", "K", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := SchemaFor(test.document, test.group, test.version, test.kind)
			if s != nil || err == nil || test.want != nil && !errors.Is(err, test.want) || test.want == nil && errors.Is(err, ErrNoSchema) {
				t.Errorf("schema %v, error %v; want %v", s, err, test.want)
			}
		})
	}
}

// TestSchema_TypesOfFields says which fields have which type, by what can be compared with what.
func TestSchema_TypesOfFields(t *testing.T) {
	t.Parallel()
	tests := []struct {
		kind, expression string
		compiles         bool
	}{
		{"Widget", `object.spec.port == 1 && object.spec.port == "http"`, true}, // either of both
		{"Widget", `object.spec.weight == "1"`, false},
		{"Widget", `object.spec.opened == "2026-11-01"`, false},
		{"Widget", `object.spec.__for__ > duration("1m")`, true},
		{"Widget", `object.spec.values.any.thing.goes == 1`, true},
		{"Widget", `object.spec.template.kind == 1`, false},
		{"Widget", `object.spec.template.unknown == 1`, true},
		{"Widget", `object.spec.limits.cpu.hard == 1`, false},
		{"Widget", `object.spec.parts[0].sizes[0] == "s"`, false},
		{"Widget", `object.spec.__true__ == "x"`, false},
		{"Loop", `object.a.anything == 1 && object.many[0].self.many[0].self.a == 2`, true},
		{"Loop", `object.self.self.none == 1`, false},
		{"Pod", `object.spec.containers[0].resources.limits["cpu"] == "1"`, true}, // a quantity
		{"Pod", `object.spec.containers[0].resources.limits["cpu"] == 1`, true},
		{"Pod", `object.spec.containers[0].ports[0].containerPort == "80"`, false},
		{"Pod", `object.metadata.creationTimestamp == "2026"`, false},
		{"CustomResourceDefinition", `object.spec.versions[0].schema.openAPIV3Schema.not.not.items == 1`, true},
		{"CustomResourceDefinition", `object.spec.versions[0].schema.openAPIV3Schema.not.not.nought == 1`, false},
	}
	for _, test := range tests {
		t.Run(test.kind+" "+test.expression, func(t *testing.T) {
			t.Parallel()
			if _, err := Compile(test.expression, schemas()[test.kind]); (err == nil) != test.compiles {
				t.Errorf("error = %v, want it to compile: %t", err, test.compiles)
			}
		})
	}
}
