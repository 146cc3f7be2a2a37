// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package when

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// schemas are those of the fixtures, by kind: kubernetes.json is what an API server of Kubernetes 1.37
// publishes of five kinds, without descriptions; widgets.json is as it publishes custom resources.
var schemas = sync.OnceValue(func() map[string]*Schema {
	found := map[string]*Schema{}
	for _, k := range []struct{ file, group, version, kind string }{
		{"kubernetes.json", "apps", "v1", "Deployment"},
		{"kubernetes.json", "", "v1", "Pod"},
		{"kubernetes.json", "", "v1", "ConfigMap"},
		{"kubernetes.json", "batch", "v1", "Job"},
		{"kubernetes.json", "apiextensions.k8s.io", "v1", "CustomResourceDefinition"},
		{"widgets.json", "example.com", "v1", "Widget"},
		{"widgets.json", "example.com", "v1", "Loop"},
	} {
		b, err := os.ReadFile(filepath.Join("testdata", k.file))
		if err != nil {
			panic(err)
		}
		s, err := SchemaFor(b, k.group, k.version, k.kind)
		if err != nil {
			panic(err)
		}
		found[k.kind] = s
	}
	return found
})

// decode reads an object as package unstructured does: whole numbers are int64, all others float64.
func decode(t testing.TB, text string) map[string]any {
	t.Helper()
	if text == "" {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return numbers(v).(map[string]any)
}

func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, _ := v.Float64()
		return f
	case map[string]any:
		for key := range v {
			v[key] = numbers(v[key])
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	}
	return v
}

// must compiles an expression that has to compile.
func must(t testing.TB, expression string, s *Schema) *Program {
	t.Helper()
	p, err := Compile(expression, s)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return p
}

// refusal returns why an expression is refused.
func refusal(t testing.TB, expression string, s *Schema) *Error {
	t.Helper()
	_, err := Compile(expression, s)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%s: error = %v, want an *Error", expression, err)
	}
	return e
}
