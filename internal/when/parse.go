// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package when

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/cel-go/common/types"
)

// kind is how the values of a node are read.
type kind uint8

const (
	// anything is what a schema says nothing of, or more than one thing: an int-or-string, a quantity.
	anything kind = iota
	integer
	number
	boolean
	text
	octets
	timestamp
	duration
	list
	mapping
	object
)

// node is the type of one value.
type node struct {
	kind kind
	cel  *types.Type
	// fields are those of an object.
	fields map[string]*node
	// open says that an object may have more fields than those.
	open bool
	// elem is the type of the elements of a list, and of the values of a map.
	elem *node
}

func (n *node) celType() *types.Type {
	if n.cel == nil {
		return types.DynType
	}
	return n.cel
}

// scalars are the nodes of types without parts, by type and format. What has a format that is not here is
// read as its type says.
var scalars = map[string]*node{
	"integer":          {kind: integer, cel: types.IntType},
	"number":           {kind: number, cel: types.DoubleType},
	"boolean":          {kind: boolean, cel: types.BoolType},
	"string":           {kind: text, cel: types.StringType},
	"string/byte":      {kind: octets, cel: types.BytesType},
	"string/date-time": {kind: timestamp, cel: types.TimestampType},
	"string/date":      {kind: timestamp, cel: types.TimestampType},
	"string/duration":  {kind: duration, cel: types.DurationType},
}

// openAPI is what is read of a schema.
type openAPI struct {
	Ref         string             `json:"$ref"`
	AllOf       []openAPI          `json:"allOf"`
	OneOf       []json.RawMessage  `json:"oneOf"`
	Type        string             `json:"type"`
	Format      string             `json:"format"`
	Properties  map[string]openAPI `json:"properties"`
	Additional  json.RawMessage    `json:"additionalProperties"`
	Items       *openAPI           `json:"items"`
	IntOrString bool               `json:"x-kubernetes-int-or-string"`
	Preserve    bool               `json:"x-kubernetes-preserve-unknown-fields"`
}

// schemaParser reads what a schema refers to, each component once: they may refer to each other and to
// themselves.
type schemaParser struct {
	components map[string]json.RawMessage
	refs       map[string]*node
	named      map[string]*node
	err        error
}

const refPrefix = "#/components/schemas/"

// ref returns the node of a component. One that is asked for again while it is read is either an object,
// of which the node exists already, or nothing but references in a circle.
func (p *schemaParser) ref(name string) *node {
	if n, ok := p.refs[name]; ok {
		return n
	}
	raw, ok := p.components[name]
	var s openAPI
	if err := json.Unmarshal(raw, &s); ok && err != nil && p.err == nil {
		p.err = fmt.Errorf("read the schema %s: %w", name, err)
	}
	n := &node{}
	p.refs[name] = n
	p.into(n, name, &s)
	return n
}

// node returns the node of a schema that stands within another.
func (p *schemaParser) node(name string, s *openAPI) *node {
	s = single(s)
	if ref, ok := strings.CutPrefix(s.Ref, refPrefix); ok {
		return p.ref(ref)
	}
	if n, ok := scalar(s); ok {
		return n
	}
	n := &node{}
	p.into(n, name, s)
	return n
}

// single unwraps a schema that is nothing but one other, as references stand that have a description.
func single(s *openAPI) *openAPI {
	for s.Type == "" && s.Ref == "" && len(s.Properties) == 0 && len(s.AllOf) == 1 {
		s = &s.AllOf[0]
	}
	return s
}

// scalar returns the node of a schema without parts, and whether it is one.
func scalar(s *openAPI) (*node, bool) {
	if s.IntOrString || len(s.OneOf) > 0 && s.Type == "" {
		return &node{}, true
	}
	if n, ok := scalars[s.Type+"/"+s.Format]; ok {
		return n, true
	}
	n, ok := scalars[s.Type]
	return n, ok
}

// into reads a schema into a node, which is of anything where it cannot be said better.
func (p *schemaParser) into(n *node, name string, s *openAPI) {
	s = single(s)
	if ref, ok := strings.CutPrefix(s.Ref, refPrefix); ok {
		*n = *p.ref(ref)
		return
	}
	if known, ok := scalar(s); ok {
		*n = *known
		return
	}
	switch {
	case s.Type == "array" && s.Items != nil:
		n.elem = p.node(name+".item", s.Items)
		n.kind, n.cel = list, types.NewListType(n.elem.celType())
	case len(s.Properties) > 0:
		for p.named[name] != nil {
			name += "_"
		}
		p.named[name] = n
		n.kind, n.cel, n.open = object, types.NewObjectType(name), s.Preserve
		n.fields = make(map[string]*node, len(s.Properties))
		for field, f := range s.Properties {
			n.fields[field] = p.node(name+"."+field, &f)
		}
	case s.Type == "object" && len(s.Additional) > 0 && s.Additional[0] == '{':
		var values openAPI
		if err := json.Unmarshal(s.Additional, &values); err != nil && p.err == nil {
			p.err = fmt.Errorf("read the schema %s: %w", name, err)
		}
		n.elem = p.node(name+".value", &values)
		n.kind, n.cel = mapping, types.NewMapType(types.StringType, n.elem.celType())
	}
}

// unescaped are the characters that no identifier of CEL may have, and how fields with them are written.
var unescaped = strings.NewReplacer("__underscores__", "__", "__dot__", ".", "__dash__", "-", "__slash__", "/")

// reserved are the words of CEL that no identifier may be.
var reserved = map[string]bool{
	"true": true, "false": true, "null": true, "in": true, "as": true, "break": true, "const": true, "continue": true,
	"else": true, "for": true, "function": true, "if": true, "import": true, "let": true, "loop": true, "package": true,
	"namespace": true, "return": true, "var": true, "void": true, "while": true,
}

// field finds a field of an object by its name, or by its name as expressions of Kubernetes have it, and
// returns the name that it has in the object.
func (n *node) field(name string) (string, *node) {
	if f, ok := n.fields[name]; ok {
		return name, f
	}
	plain := unescaped.Replace(name)
	if word := strings.TrimSuffix(strings.TrimPrefix(name, "__"), "__"); len(word)+4 == len(name) && reserved[word] {
		plain = word
	}
	if f, ok := n.fields[plain]; ok {
		return plain, f
	}
	if n.open {
		return plain, &node{}
	}
	return "", nil
}
