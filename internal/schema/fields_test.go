// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package schema_test

import (
	"strings"
	"testing"

	"github.com/posthorn-dev/posthorn/internal/schema"
)

// path reads a.b[].c.
func path(s string) []schema.Step {
	var steps []schema.Step
	for part := range strings.SplitSeq(s, ".") {
		name, list := strings.CutSuffix(part, "[]")
		steps = append(steps, schema.Step{Name: name})
		if list {
			steps = append(steps, schema.Step{Element: true})
		}
	}
	return steps
}

// text is the reverse of path.
func text(steps []schema.Step) string {
	var b strings.Builder
	for _, s := range steps {
		switch {
		case s.Element:
			b.WriteString("[]")
		case b.Len() > 0:
			b.WriteString("." + s.Name)
		default:
			b.WriteString(s.Name)
		}
	}
	return b.String()
}

const shop = `{
	"type": "object",
	"properties": {
		"total": {"type": "number"},
		"customer": {"$ref": "#/$defs/customer"},
		"items": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}, "quantity": {"type": "integer"}}}},
		"labels": {"type": "object", "additionalProperties": {"type": "object", "properties": {"value": {}}}},
		"open": {"type": "object", "properties": {"known": {}}, "additionalProperties": true},
		"patterned": {"patternProperties": {"^x-": {"type": "string"}}},
		"free": {},
		"object": {"type": "object"},
		"nullable": {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"a": {}}}]},
		"nullableFree": {"anyOf": [{"type": "null"}, {"type": "object"}]},
		"either": {"oneOf": [{"properties": {"card": {}}}, {"properties": {"iban": {}}}]},
		"gone": false,
		"pair": {"prefixItems": [{"properties": {"left": {}}}], "items": {"properties": {"right": {}}}},
		"mixed": {"type": ["string", "object"]},
		"sealed": {"properties": {"in": {}}, "unevaluatedProperties": false},
		"tree": {"$ref": "#/$defs/tree"}
	},
	"$defs": {
		"customer": {"allOf": [{"$ref": "#/$defs/named"}, {"properties": {"email": {"type": "string"}}}]},
		"named": {"properties": {"name": {"type": "string"}}},
		"tree": {"properties": {"leaf": {}, "children": {"items": {"$ref": "#/$defs/tree"}}}}
	}
}`

func TestSchema_LooksFieldsUp(t *testing.T) {
	t.Parallel()
	s := compile(t, shop)
	for field, want := range map[string]string{
		// What is there, or may be.
		"total": "", "customer.name": "", "customer.email": "", "items[].sku": "", "labels.any.value": "", "open.known": "",
		"open.other.deep": "", "patterned.x-1": "", "free.any[].thing": "", "object.x": "", "nullable.a": "", "nullableFree.x": "",
		"either.card": "", "either.iban": "", "pair[].left": "", "pair[].right": "", "mixed.x": "", "sealed.in": "",
		"tree.children[].children[].leaf": "", "total[]": "",
		// What is not, with the nearest that is.
		"totl":                     "totl → total",
		"Total":                    "Total → total",
		"total.amount":             "total.amount → ",
		"customer.emial":           "customer.emial → customer.email",
		"customer.emial.x":         "customer.emial → customer.email",
		"email":                    "email → customer.email",
		"items[].qantity":          "items[].qantity → items[].quantity",
		"sku":                      "sku → items[].sku",
		"items.sku":                "items.sku → items[].sku",
		"labels.any.vlue":          "labels.any.vlue → labels.any.value",
		"patterned.y":              "patterned.y → ",
		"nullable.b":               "nullable.b → nullable.a",
		"either.ibn":               "either.ibn → either.iban",
		"gone":                     "gone → free",
		"pair[].lft":               "pair[].lft → pair[].left",
		"sealed.out":               "sealed.out → sealed.in",
		"tree.children[].lef":      "tree.children[].lef → tree.children[].leaf",
		"customer.name.first":      "customer.name.first → ",
		"nothinglikeanythingatall": "nothinglikeanythingatall → nullable",
	} {
		missing, nearest := s.Lookup(path(field))
		got := ""
		if missing > 0 {
			got = text(path(field)[:missing]) + " → " + text(nearest)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
}

func TestSchema_KnowsNoFieldOfWhatItDoesNotDescribe(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		`true`, `{}`, `{"type": "object"}`, `{"required": ["total"]}`, `{"additionalProperties": true}`,
		`{"propertyNames": {"pattern": "^t"}}`, `{"not": {"properties": {"x": {}}}}`,
	} {
		if missing, _ := compile(t, raw).Lookup(path("totl.x")); missing > 0 {
			t.Errorf("%s: knows that totl is missing", raw)
		}
	}
}
