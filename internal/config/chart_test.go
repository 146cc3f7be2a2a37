// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"sigs.k8s.io/yaml"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/config"
)

// schema is as much of JSON Schema as the chart's values take.
type schema struct {
	Ref                  string            `json:"$ref"`
	Type                 string            `json:"type"`
	Pattern              string            `json:"pattern"`
	Enum                 []string          `json:"enum"`
	Minimum              *int              `json:"minimum"`
	Maximum              *int              `json:"maximum"`
	Items                *schema           `json:"items"`
	MaxItems             *int              `json:"maxItems"`
	AnyOf                []schema          `json:"anyOf"`
	Properties           map[string]schema `json:"properties"`
	AdditionalProperties json.RawMessage   `json:"additionalProperties"`
	PropertyNames        *schema           `json:"propertyNames"`
	Defs                 map[string]schema `json:"$defs"`
}

// others is the schema of the entries of a map, and nil where there are to be none but those that are listed.
func (s schema) others(t *testing.T) *schema {
	t.Helper()
	if string(s.AdditionalProperties) == "false" {
		return nil
	}
	var others schema
	if err := json.Unmarshal(s.AdditionalProperties, &others); err != nil {
		t.Fatalf("additionalProperties is %s: %v", s.AdditionalProperties, err)
	}
	return &others
}

// chartSchema reads the schema of the chart's values, and returns that of its value config and what references of
// it stand for.
func chartSchema(t *testing.T) (of schema, resolve func(schema) schema) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "charts", "posthorn", "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all schema
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return all.Properties["config"], func(s schema) schema {
		name, ok := strings.CutPrefix(s.Ref, "#/$defs/")
		if !ok {
			return s
		}
		found, ok := all.Defs[name]
		if !ok {
			t.Fatalf("the schema has no definition of %s", s.Ref)
		}
		return found
	}
}

// leaf is a value of the file that is no object: where it is, and what the schema says of it.
type leaf struct {
	path string
	// file is a whole file with that value in the place of %s, and what else it takes to be valid.
	file string
	schema
}

// TestChart_SchemaHasTheFieldsOfTheFile holds the schema of the chart's value config against the type that the
// programs read it into: the same fields, of the same types, and no others.
func TestChart_SchemaHasTheFieldsOfTheFile(t *testing.T) {
	t.Parallel()
	if n := len(leaves(t)); n < 25 {
		t.Errorf("found %d values, want all of the file", n)
	}
}

// leaves walks through the file and its schema at once, and fails where they differ.
func leaves(t *testing.T) []leaf {
	t.Helper()
	top, resolve := chartSchema(t)
	var all []leaf
	var walk func(reflect.Type, schema, string, string)
	walk = func(typ reflect.Type, s schema, path, file string) {
		s = resolve(s)
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
			// What the file may leave out and has no default is null in values.yaml.
			if len(s.AnyOf) == 2 && s.AnyOf[1].Type == "null" {
				s = resolve(s.AnyOf[0])
			}
		}
		switch typ.Kind() {
		case reflect.Struct:
			compareFields(t, typ, s, path)
			for f := range typ.Fields() {
				name := f.Tag.Get("json")
				inside := name + ": %s"
				if name == "per" {
					inside = "requests: 1, " + inside
				}
				walk(f.Type, s.Properties[name], path+"."+name, fmt.Sprintf(file, "{"+inside+"}"))
			}
		case reflect.Map:
			names, others := s.PropertyNames, s.others(t)
			if names == nil || resolve(*names).Pattern == "" || others == nil {
				t.Errorf("%s: the schema %+v is not one of a map from namespaces", path, s)
				return
			}
			walk(typ.Elem(), *others, path+".team-a", fmt.Sprintf(file, "{team-a: %s}"))
		case reflect.Slice:
			if s.Type != "array" || s.Items == nil {
				t.Errorf("%s: the schema has type %q for a list", path, s.Type)
				return
			}
			all = append(all, leaf{path, file, s})
			walk(typ.Elem(), *s.Items, path+"[0]", fmt.Sprintf(file, "[%s]"))
		default:
			compareType(t, typ, s, path)
			all = append(all, leaf{path, file, s})
		}
	}
	walk(config.FileType, top, "config", "%s")
	return all
}

// compareFields holds the fields of a struct against the properties of an object.
func compareFields(t *testing.T, typ reflect.Type, s schema, path string) {
	t.Helper()
	var want []string
	for f := range typ.Fields() {
		want = append(want, f.Tag.Get("json"))
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(s.Properties))); diff != "" {
		t.Errorf("%s: fields of the file and of the schema (-file +schema):\n%s", path, diff)
	}
	if s.Type != "object" || string(s.AdditionalProperties) != "false" {
		t.Errorf("%s: the schema takes what it does not list", path)
	}
}

// compareType holds a scalar of the file against its schema.
func compareType(t *testing.T, typ reflect.Type, s schema, path string) {
	t.Helper()
	switch {
	case typ.Kind() == reflect.Bool && s.Type == "boolean":
	case typ.Kind() == reflect.Int && s.Type == "integer" && s.Minimum != nil && s.Maximum != nil:
	case typ == reflect.TypeFor[hookv1.Duration]() && s.Type == "string" && s.Pattern == durationPattern(t):
	case typ.Kind() == reflect.String && typ != reflect.TypeFor[hookv1.Duration]() && isText(s):
	default:
		t.Errorf("%s: the schema %+v is not one of %s", path, s, typ)
	}
}

// isText says whether the schema is one of text that is not just any.
func isText(s schema) bool {
	return s.Type == "string" && s.Pattern != "" || len(s.Enum) > 0 || len(s.AnyOf) > 1
}

// durationPattern is the pattern of a duration in the resources.
func durationPattern(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("..", "..", "api", "v1alpha1", "duration.go"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(source), "+kubebuilder:validation:Pattern=`")
	pattern, _, closed := strings.Cut(rest, "`")
	if !ok || !closed {
		t.Fatal("the type of durations has no pattern")
	}
	return pattern
}

// TestChart_SchemaHasTheBoundsOfThePrograms tries each bound of the schema on the programs' reader: what is just
// within it they take, and what is just beyond they refuse.
func TestChart_SchemaHasTheBoundsOfThePrograms(t *testing.T) {
	t.Parallel()
	tried := 0
	for _, l := range leaves(t) {
		values := map[string]bool{} // and whether they are within
		switch {
		case l.Minimum != nil:
			values = map[string]bool{
				fmt.Sprint(*l.Minimum): true, fmt.Sprint(*l.Minimum - 1): false,
				fmt.Sprint(*l.Maximum): true, fmt.Sprint(*l.Maximum + 1): false,
			}
		case l.MaxItems != nil:
			one := "1s"
			if l.Items.Type == "integer" {
				one = "500"
			}
			values = map[string]bool{
				"[" + strings.Repeat(one+", ", *l.MaxItems) + "]":   true,
				"[" + strings.Repeat(one+", ", *l.MaxItems+1) + "]": false,
			}
		case len(l.Enum) > 0:
			values = map[string]bool{strings.ToLower(l.Enum[0]): false}
			for _, v := range l.Enum {
				values[v] = true
			}
		}
		for value, within := range values {
			tried++
			_, err := config.Parse(fmt.Appendf(nil, l.file, value))
			if (err == nil) != within {
				t.Errorf("%s: %s: the programs say %v, the schema allows it: %t", l.path, value, err, within)
			}
		}
	}
	if tried < 35 {
		t.Errorf("tried %d bounds, fewer than there are", tried)
	}
}

// TestChart_ValuesAreTheDefaults holds the chart's values against the built-in defaults, and against the schema: each
// field stands in values.yaml, with its default or with none.
func TestChart_ValuesAreTheDefaults(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("..", "..", "charts", "posthorn", "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var values struct {
		Config map[string]any `json:"config"`
	}
	if err := yaml.Unmarshal(raw, &values); err != nil {
		t.Fatal(err)
	}
	file, err := yaml.Marshal(values.Config)
	if err != nil {
		t.Fatal(err)
	}
	got, err := config.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config.Default(), got, comparePrefixes, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-default +values.yaml):\n%s", diff)
	}
	missingValues(t, config.FileType, values.Config, "config")
}

// missingValues reports the fields of the file that values.yaml does not have.
func missingValues(t *testing.T, typ reflect.Type, values map[string]any, path string) {
	t.Helper()
	for f := range typ.Fields() {
		name := f.Tag.Get("json")
		value, ok := values[name]
		if !ok {
			t.Errorf("values.yaml lacks %s.%s", path, name)
		}
		if f.Type.Kind() == reflect.Struct {
			section, _ := value.(map[string]any)
			missingValues(t, f.Type, section, path+"."+name)
		}
	}
}
