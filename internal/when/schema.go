// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package when

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/posthorn-dev/posthorn/internal/filter"
)

// Schema is the type of the objects of one kind. Expressions that are compiled with the same Schema
// share its environment, so make one for each kind and keep it. It is safe for concurrent use. A nil
// Schema is that of a kind without one: every field may exist, and is of any type.
type Schema struct {
	root *node
	// named are the types that have fields, by the name that CEL knows them under.
	named    map[string]*node
	language func() (*filter.Language, error)
}

func newSchema(root *node, named map[string]*node) *Schema {
	s := &Schema{root: root, named: named}
	s.language = sync.OnceValues(func() (*filter.Language, error) { return newLanguage(s) })
	return s
}

// untyped is what a nil Schema stands for.
var untyped = newSchema(&node{kind: anything}, nil)

// document is what is read of an OpenAPI v3 document.
type document struct {
	Components struct {
		Schemas map[string]json.RawMessage `json:"schemas"`
	} `json:"components"`
}

// kinds is what is read of a component to find that of a kind.
type kinds struct {
	Kinds []struct {
		Group   string `json:"group"`
		Version string `json:"version"`
		Kind    string `json:"kind"`
	} `json:"x-kubernetes-group-version-kind"`
}

// DocumentOf returns by which path an API server lists the OpenAPI v3 document that has the kinds of a version: apis/apps/v1,
// or api/v1 for the core group, whose name is empty.
func DocumentOf(group, version string) string {
	if group == "" {
		return "api/" + version
	}
	return "apis/" + group + "/" + version
}

// SchemaFor reads the schema of a kind out of an OpenAPI v3 document as the API server publishes it at
// /openapi/v3/apis/GROUP/VERSION, or /openapi/v3/api/v1 for the group "". An error that is ErrNoSchema
// says that the document has none of that kind, or none that describes its fields.
func SchemaFor(openAPI []byte, group, version, kind string) (*Schema, error) {
	var d document
	if err := json.Unmarshal(openAPI, &d); err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Components.Schemas)) {
		var k kinds
		if err := json.Unmarshal(d.Components.Schemas[name], &k); err != nil {
			return nil, fmt.Errorf("read the schema %s: %w", name, err)
		}
		for _, is := range k.Kinds {
			if is.Group == group && is.Version == version && is.Kind == kind {
				return ParseSchema(d.Components.Schemas, name)
			}
		}
	}
	return nil, fmt.Errorf("%w: %s, version %s of group %q", ErrNoSchema, kind, version, group)
}

// ParseSchema reads the schema that is named root among the components of an OpenAPI v3 document. What
// root does not refer to is not looked at.
func ParseSchema(components map[string]json.RawMessage, root string) (*Schema, error) {
	p := &schemaParser{components: components, refs: map[string]*node{}, named: map[string]*node{}}
	n := p.ref(root)
	if p.err != nil {
		return nil, p.err
	}
	if n.kind != object {
		return nil, fmt.Errorf("%w: %s does not describe its fields", ErrNoSchema, root)
	}
	if metadata := n.fields["metadata"]; metadata != nil {
		delete(metadata.fields, managedFields)
	}
	return newSchema(n, p.named), nil
}

// managedFields is the field of metadata that expressions do not see: it changes with every write, and
// is larger than most objects.
const managedFields = "managedFields"
