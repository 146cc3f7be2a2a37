// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package when

import (
	"errors"
	"testing"
)

// FuzzCompile compiles and evaluates what a tenant writes over what another tenant's object holds: neither
// may panic, run away or fail outside of the documented classes.
func FuzzCompile(f *testing.F) {
	f.Add(`object.status.availableReplicas < object.spec.replicas`, false)
	f.Add(`object.status.?availableReplicas.orValue(0) != oldObject.?status.availableReplicas.orValue(0)`, true)
	f.Add(`object.spec.template.spec.containers.exists(c, c.imag.matches("^a+$")) || has(object.spec.__for__)`, true)
	f.Add(`[object].map(d, d == oldObject).exists(d, d) && object.metadata.managedFields == null`, true)
	f.Add(`object["spec"].parts[0].sizes.all(s, s in object.spec.parts[1].sizes) || io.k8s.api.apps.v1.Deployment{} == object`, false)
	f.Add(`dyn(object).spec == {"a": 1} || type(object) == type(oldObject) || string(object) == ""`, false)
	f.Fuzz(func(t *testing.T, expression string, hasSchema bool) {
		var s *Schema
		if hasSchema {
			s = schemas()["Deployment"]
		}
		p, err := Compile(expression, s)
		if err != nil {
			if e := (*Error)(nil); !errors.As(err, &e) || e.Message == "" {
				t.Fatalf("error = %v, want an *Error", err)
			}
			return
		}
		for _, object := range []string{short, widget, `{}`, `{"metadata":[],"spec":"x","status":{"conditions":{}}}`} {
			holds, err := p.Eval(Updated, decode(t, object), decode(t, whole))
			known := errors.Is(err, ErrMissing) || errors.Is(err, ErrCostExceeded) || errors.Is(err, ErrNotBool) || errors.Is(err, ErrEvaluation)
			if err != nil && (holds || !known) {
				t.Fatalf("holds = %t, %v", holds, err)
			}
		}
	})
}

// FuzzParseSchema reads what an API server, or the author of a CustomResourceDefinition, may publish.
func FuzzParseSchema(f *testing.F) {
	f.Add([]byte(`{"components":{"schemas":{"a":{"x-kubernetes-group-version-kind":[{"kind":"K"}],"properties":{"b":{"$ref":"#/components/schemas/a"}}}}}}`))
	f.Add([]byte(`{"components":{"schemas":{"a":{"x-kubernetes-group-version-kind":[{"kind":"K"}],"allOf":[{"$ref":"#/components/schemas/a"}]}}}}`))
	f.Add([]byte(`{"components":{"schemas":{"a":{"x-kubernetes-group-version-kind":[{"kind":"K"}],"properties":{"b":{"type":"array","items":{"type":"object","additionalProperties":{"type":"string"}}}}}}}}`))
	f.Fuzz(func(t *testing.T, openAPI []byte) {
		s, err := SchemaFor(openAPI, "", "", "K")
		if err != nil {
			return
		}
		_, _ = Compile(`object.b.exists(x, x == oldObject.b[0]) || object.spec.replicas > 1`, s)
	})
}
