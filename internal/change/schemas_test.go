// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/posthorn-dev/posthorn/internal/change"
)

func compileSchema(t *testing.T, schema json.RawMessage) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4) // what says nothing of its draft would be taken for an old one
	c.AssertVocabs()
	if err := c.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if compiled.DraftVersion != 2020 {
		t.Errorf("draft %d, want 2020-12", compiled.DraftVersion)
	}
	return compiled
}

func TestSchemas(t *testing.T) {
	t.Parallel()
	all := compileSchema(t, change.Schema())
	forms := change.Schemas()
	if len(forms) != 3 {
		t.Fatalf("%d schemas, want one of each form", len(forms))
	}
	for form, text := range forms {
		schema := compileSchema(t, text)
		for name, c := range changes(t, form) {
			data := any(dataOf(t, build(t, c)))
			for which, s := range map[string]*jsonschema.Schema{"its form": schema, "all forms": all} {
				if err := s.Validate(data); err != nil {
					t.Errorf("%s of %s does not match the schema of %s: %v", form, name, which, err)
				}
			}
		}
		for _, broken := range []string{
			`{}`, `[]`, `{"apiVersion":"v1","kind":"Pod","name":"a"}`, `{"apiVersion":"v1","kind":"Pod","name":"a","uid":""}`,
			`{"apiVersion":"v1","kind":"Pod","name":"a","uid":"u","labels":{"a":1}}`,
			`{"apiVersion":"v1","kind":"Pod","name":"a","uid":"u","truncated":{"form":"All","reason":"TooLarge"}}`,
		} {
			if schema.Validate(value(t, broken)) == nil || all.Validate(value(t, broken)) == nil {
				t.Errorf("%s: %s was taken", form, broken)
			}
		}
	}
	patch := compileSchema(t, forms[change.FormPatch])
	const reference = `"apiVersion":"v1","kind":"Pod","name":"a","uid":"u"`
	for _, broken := range []string{
		`{` + reference + `,"patch":[]}`,
		`{` + reference + `,"patch":[{"op":"add","path":"/a"}],"changed":["/a"]}`,
		`{` + reference + `,"patch":[{"op":"move","path":"/a"}],"changed":["/a"]}`,
		`{` + reference + `,"patch":[],"changed":[],"object":{}}`,
	} {
		if patch.Validate(value(t, broken)) == nil {
			t.Errorf("%s was taken", broken)
		}
	}
}

// changes are changes of each kind, in one form.
func changes(t *testing.T, form change.Form) map[string]change.Change {
	t.Helper()
	updated, created, deleted, found, large := update(t, form), update(t, form), update(t, form), update(t, form), update(t, form)
	created.Operation, created.Old = change.Created, nil
	deleted.Operation, deleted.New = change.Deleted, nil
	found.Operation, found.Old, found.New, found.Object.ResourceVersion = change.Deleted, nil, nil, ""
	large.New["data"] = string(bytes.Repeat([]byte("x"), 1<<20))
	return map[string]change.Change{"an update": updated, "a creation": created, "a deletion": deleted, "a deletion found": found, "a large object": large}
}

func value(t *testing.T, text string) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}
