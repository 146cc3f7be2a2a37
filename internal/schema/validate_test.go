// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package schema_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/schema"
)

// compile compiles a schema that is valid.
func compile(t testing.TB, raw string) *schema.Schema {
	t.Helper()
	s, err := schema.Compile([]byte(raw))
	if err != nil {
		t.Fatalf("Compile(%s): %v", raw, err)
	}
	return s
}

const order = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object",
	"required": ["id", "total"],
	"properties": {
		"id": {"type": "string", "pattern": "^o-[0-9]+$"},
		"total": {"type": "number", "minimum": 0, "multipleOf": 0.01},
		"currency": {"enum": ["EUR", "USD"]},
		"a/b~c": {"type": "integer"},
		"items": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/item"}}
	},
	"additionalProperties": false,
	"$defs": {
		"item": {"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string", "format": "date"}}}
	}
}`

func TestSchema_ValidatesData(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		schema, data string
		want         []schema.Violation
	}{
		"valid data":             {order, `{"id":"o-1","total":12.30,"items":[{"sku":"x"}]}`, nil},
		"a boolean that admits":  {`true`, `{"id":1}`, nil},
		"an empty schema":        {`{}`, `[1]`, nil},
		"a format is no rule":    {order, `{"id":"o-1","total":1,"items":[{"sku":"no date"}]}`, nil},
		"a large but sane total": {order, `{"id":"o-1","total":123456789012345678901234567890}`, nil},
		"several places": {order, `{"id":"7","total":"12","items":[{"sku":"x"},{"sku":7},{}],"a/b~c":1.5}`, []schema.Violation{
			{Pointer: "/a~1b~0c", Keyword: "/properties/a~1b~0c/type", Detail: "got number, want integer"},
			{Pointer: "/id", Keyword: "/properties/id/pattern", Detail: `does not match the pattern "^o-[0-9]+$"`},
			{Pointer: "/items/1/sku", Keyword: "/$defs/item/properties/sku/type", Detail: "got number, want string"},
			{Pointer: "/items/2", Keyword: "/$defs/item/required", Detail: `misses the property "sku"`},
			{Pointer: "/total", Keyword: "/properties/total/type", Detail: "got string, want number"},
		}},
		"properties that are missing, and one too many": {order, `{"totl":1}`, []schema.Violation{
			{Pointer: "", Keyword: "/required", Detail: `misses the property "id"`},
			{Pointer: "", Keyword: "/required", Detail: `misses the property "total"`},
			{Pointer: "/totl", Keyword: "/additionalProperties", Detail: "is a property that the schema does not know"},
		}},
		"a value of a list": {order, `{"id":"o-1","total":1,"currency":"GBP"}`, []schema.Violation{
			{Pointer: "/currency", Keyword: "/properties/currency/enum", Detail: "value must be one of 'EUR', 'USD'"},
		}},
		"another kind of value": {order, `null`, []schema.Violation{{Keyword: "/type", Detail: "got null, want object"}}},
		"no JSON":               {order, `<total/>`, []schema.Violation{{Detail: "is not JSON, which the schema of this type is about"}}},
		"no data":               {order, ``, []schema.Violation{{Detail: "is not JSON, which the schema of this type is about"}}},
		"a boolean that refuses": {`{"properties": {"old": false}}`, `{"old": 1}`, []schema.Violation{
			{Pointer: "/old", Keyword: "/properties/old", Detail: "is not admitted here"},
		}},
		"data deeper than is checked": {`{"items": {"$ref": "#"}}`, strings.Repeat("[", 70) + strings.Repeat("]", 70), []schema.Violation{
			{Pointer: strings.Repeat("/0", 65), Detail: "is nested deeper than the 64 levels that can be checked"},
		}},
		"properties by pattern": {`{"patternProperties": {"^x-": {"type": "integer"}}, "additionalProperties": false}`, `{"x-1":1,"x-2":"2","y":3}`, []schema.Violation{
			{Pointer: "/x-2", Keyword: "/patternProperties/^x-/type", Detail: "got string, want integer"},
			{Pointer: "/y", Keyword: "/additionalProperties", Detail: "is a property that the schema does not know"},
		}},
		"a number that nobody can write out": {order, `{"id":"o-1","total":1e999999}`, []schema.Violation{
			{Pointer: "/total", Detail: "is too large or too small a number to be checked"},
		}},
		"the alternative that is meant": {
			`{"anyOf": [{"type": "null"}, {"type": "object", "properties": {"n": {"type": "integer"}}}]}`, `{"n": "x"}`,
			[]schema.Violation{{Pointer: "/n", Keyword: "/anyOf/1/properties/n/type", Detail: "got string, want integer"}},
		},
		"no alternative": {
			`{"properties": {"v": {"oneOf": [{"type": "null"}, {"type": "integer"}]}}}`, `{"v": "x"}`,
			[]schema.Violation{{Pointer: "/v", Keyword: "/properties/v/oneOf", Detail: "matches none of the alternatives of oneOf"}},
		},
		"two alternatives": {
			`{"oneOf": [{"type": "number"}, {"type": "integer"}]}`, `1`,
			[]schema.Violation{{Keyword: "/oneOf", Detail: "matches more than one of the alternatives of oneOf"}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, compile(t, tc.schema).Validate([]byte(tc.data))); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSchema_TellsABoundedNumberOfViolations(t *testing.T) {
	t.Parallel()
	s := compile(t, `{"items": {"type": "string", "enum": ["`+strings.Repeat("x", 1000)+`"]}, "additionalProperties": false}`)
	for _, data := range []string{"[" + strings.Repeat("1,", 999) + "1]", `{"` + strings.Repeat("b", 2000) + `":1}`} {
		found := s.Validate([]byte(data))
		if len(found) == 0 || len(found) > schema.MaxViolations {
			t.Errorf("%d violations", len(found))
		}
		for _, v := range found {
			if len(v.Detail) > 300 || len(v.Pointer) > 500 {
				t.Errorf("violation of %d bytes", len(v.Detail)+len(v.Pointer))
			}
		}
	}
}

// TestSchema_RepeatsNoStringOfTheData looks for a secret in everything that may be said about it.
func TestSchema_RepeatsNoStringOfTheData(t *testing.T) {
	t.Parallel()
	for _, rule := range []string{
		`{"type": "number"}`, `{"pattern": "^a"}`, `{"enum": ["a"]}`, `{"const": "a"}`, `{"minLength": 99}`, `{"maxLength": 1}`,
		`{"not": {"type": "string"}}`, `{"anyOf": [{"type": "null"}, {"const": 1}]}`, `false`,
	} {
		found := compile(t, `{"properties": {"v": `+rule+`}}`).Validate([]byte(`{"v": "hunter2hunter2"}`))
		if len(found) != 1 {
			t.Errorf("%s: %d violations", rule, len(found))
		}
		for _, v := range found {
			if strings.Contains(v.String(), "hunter2") {
				t.Errorf("%s: %s", rule, v)
			}
		}
	}
}

// TestSchema_EndsEveryCheck gives the validator what takes it a time without bound: for one hour's worth of steps
// the schemas are a few lines long.
func TestSchema_EndsEveryCheck(t *testing.T) {
	t.Parallel()
	nested := strings.Repeat(`{"x":`, 40) + `1` + strings.Repeat(`}`, 40)
	lists := strings.Repeat(`[`, 40) + `1` + strings.Repeat(`]`, 40)
	doubling := func() string {
		var b strings.Builder
		b.WriteString(`{"$ref": "#/$defs/d0", "$defs": {"d30": {"type": "object"}`)
		for i := range 30 {
			d := "d" + string(rune('0'+i/10)) + string(rune('0'+i%10))
			next := "d" + string(rune('0'+(i+1)/10)) + string(rune('0'+(i+1)%10))
			if i == 0 {
				d = "d0"
			}
			b.WriteString(`, "` + d + `": {"allOf": [{"$ref": "#/$defs/` + next + `"}, {"$ref": "#/$defs/` + next + `"}]}`)
		}
		return b.String() + `}}`
	}()
	cases := map[string]struct{ schema, data string }{
		"two ways into each level":            {`{"anyOf": [{"properties": {"x": {"$ref": "#"}}, "required": ["y"]}, {"properties": {"x": {"$ref": "#"}}, "required": ["z"]}]}`, nested},
		"the same, where nobody reads errors": {`{"not": {"$ref": "#/$defs/a"}, "$defs": {"a": {"minItems": 9, "prefixItems": [{"$ref": "#/$defs/a"}], "contains": {"$ref": "#/$defs/a"}}}}`, lists},
		"references that double":              {doubling, nested},
		"references by dynamic anchors":       {`{"$dynamicAnchor": "n", "prefixItems": [{"$dynamicRef": "#n"}], "contains": {"$dynamicRef": "#n"}, "minItems": 2}`, lists},
		"many elements":                       {`{"items": {"type": "string"}}`, "[" + strings.Repeat("1,", 400_000) + "1]"},
		"a large pattern on a long text":      {`{"pattern": "(a?){900}b$"}`, `"` + strings.Repeat("a", 1<<20) + `"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := compile(t, tc.schema)
			done := make(chan []schema.Violation, 1)
			go func() { done <- s.Validate([]byte(tc.data)) }()
			select {
			case found := <-done:
				if len(found) != 1 || !strings.HasPrefix(found[0].Detail, "is too large to be checked") {
					t.Errorf("found %v, want that it is too large", found)
				}
			case <-time.After(time.Minute):
				t.Fatal("the check does not end")
			}
		})
	}
}

func TestSchema_BeginsEachCheckWithAllSteps(t *testing.T) {
	t.Parallel()
	s := compile(t, `{"items": {"type": "integer"}}`)
	for range 3 {
		if found := s.Validate([]byte("[" + strings.Repeat("1,", 300_000) + "1]")); len(found) != 1 {
			t.Fatalf("found %v, want that it is too large", found)
		}
		if found := s.Validate([]byte("[" + strings.Repeat("1,", 100_000) + "1]")); len(found) > 0 {
			t.Fatalf("found %v, want nothing", found)
		}
	}
}

// TestSchema_ChecksFromManyGoroutines is for the race detector: the steps of one check are no other's.
func TestSchema_ChecksFromManyGoroutines(t *testing.T) {
	t.Parallel()
	s := compile(t, order)
	done := make(chan int)
	for range 8 {
		go func() {
			wrong := 0
			for range 200 {
				if len(s.Validate([]byte(`{"id":"o-1","total":1}`))) != 0 || len(s.Validate([]byte(`{"id":"o-1","total":"1"}`))) != 1 {
					wrong++
				}
			}
			done <- wrong
		}()
	}
	for range 8 {
		if wrong := <-done; wrong > 0 {
			t.Errorf("%d wrong answers", wrong)
		}
	}
}

func FuzzSchema_Validate(f *testing.F) {
	f.Add(order, `{"id":"o-1","total":1}`)
	f.Add(`{"$dynamicAnchor":"a","$dynamicRef":"#a"}`, `{}`)
	f.Add(`{"$id":"https://example.com/a","$ref":"b","$defs":{"b":{"$id":"b","type":"integer"}}}`, `1`)
	f.Fuzz(func(t *testing.T, raw, data string) {
		s, err := schema.Compile([]byte(raw))
		if err != nil {
			return
		}
		if found := s.Validate([]byte(data)); len(found) > schema.MaxViolations {
			t.Errorf("%d violations", len(found))
		}
	})
}

func BenchmarkSchema_Validate(b *testing.B) {
	s := compile(b, order)
	data := []byte(`{"id":"o-1","total":12.30,"currency":"EUR","items":[{"sku":"a"},{"sku":"b"},{"sku":"c"}]}`)
	b.ReportAllocs()
	for b.Loop() {
		if found := s.Validate(data); len(found) > 0 {
			b.Fatal(found)
		}
	}
}
