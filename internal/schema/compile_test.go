// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package schema_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/posthorn-dev/posthorn/internal/schema"
)

func TestCompile_RefusesWhatCannotBeChecked(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		raw    string
		want   string
		remote bool
	}{
		"no JSON":                     {raw: `{`, want: "is not JSON"},
		"a list":                      {raw: `[]`, want: "must be an object"},
		"a type that does not exist":  {raw: `{"properties": {"a": {"type": "strin"}}}`, want: "at /properties/a/type: "},
		"a keyword of the wrong form": {raw: `{"required": "id"}`, want: "at /required: got string, want array"},
		"a pattern with look-ahead":   {raw: `{"pattern": "^(?=a)"}`, want: "at /pattern: \"^(?=a)\" is not of the format regex (error parsing regexp"},
		"patterns too large together": {raw: `{"allOf": [` + manyPatterns(30) + `]}`, want: "too large together"},
		"a reference to nothing":      {raw: `{"$ref": "#/$defs/a"}`, want: "/$defs/a"},
		"another draft":               {raw: `{"$schema": "http://json-schema.org/draft-07/schema#"}`, want: "$schema must be https://json-schema.org/draft/2020-12/schema"},
		"another draft inside": {
			raw:  `{"$defs": {"a": {"$id": "https://a.example/a", "$schema": "http://json-schema.org/draft-07/schema#"}}, "$ref": "#/$defs/a"}`,
			want: "$schema must be",
		},
		"a draft of its own":            {raw: `{"$schema": "https://example.com/draft"}`, remote: true, want: "refers to https://example.com/draft"},
		"another document":              {raw: `{"$ref": "https://example.com/order.json"}`, remote: true, want: "refers to https://example.com/order.json, which is not a part of it"},
		"a document beside it":          {raw: `{"properties": {"a": {"$ref": "order.json#/$defs/a"}}}`, remote: true, want: "copy what is meant below $defs"},
		"a file":                        {raw: `{"$ref": "file:///etc/passwd"}`, remote: true, want: "file:///etc/passwd"},
		"a document by its own $id":     {raw: `{"$id": "https://example.com/a/b", "$ref": "c"}`, remote: true, want: "https://example.com/a/c"},
		"the schema of schemas":         {raw: `{"$ref": "https://json-schema.org/draft/2020-12/schema"}`, remote: true, want: "nothing is fetched"},
		"a number without an end":       {raw: `{"minimum": 1e400000000}`, want: "a number that is too large"},
		"more bytes than are taken":     {raw: `{"description": "` + strings.Repeat("x", schema.MaxBytes) + `"}`, want: "longer than the 65536 bytes"},
		"more values than are taken":    {raw: `{"enum": [` + strings.Repeat("1,", 5000) + `2]}`, want: "more than the 5000 values"},
		"more levels than are taken":    {raw: strings.Repeat(`{"not":`, 70) + `{}` + strings.Repeat(`}`, 70), want: "deeper than 64 levels"},
		"a long chain of references":    {raw: chain(70), want: "more than 64 subschemas that follow from each other"},
		"a long chain below a field":    {raw: `{"properties": {"a": ` + chain(70) + `}, "$defs": ` + definitions(70) + `}`, want: "more than 64 subschemas"},
		"two schemas of one identifier": {raw: `{"$defs": {"a": {"$id": "x:a"}, "b": {"$id": "x:a"}}}`, want: "x:a"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := schema.Compile([]byte(tc.raw))
			var e *schema.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want one with %q", err, tc.want)
			}
			if errors.Is(err, schema.ErrRemoteRef) != tc.remote {
				t.Errorf("%v: ErrRemoteRef %t, want %t", err, !tc.remote, tc.remote)
			}
			if strings.Contains(err.Error(), "posthorn://") {
				t.Errorf("%v: names what nobody wrote", err)
			}
		})
	}
}

func TestCompile_TakesWhatRefersToItself(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"by pointer":      `{"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}`,
		"by anchor":       `{"$ref": "#n", "$defs": {"n": {"$anchor": "n", "type": "integer"}}}`,
		"by identifier":   `{"$id": "https://example.com/a", "$ref": "n", "$defs": {"n": {"$id": "n", "type": "integer"}}}`,
		"by its own name": `{"$schema": "https://json-schema.org/draft/2020-12/schema#", "$id": "https://example.com/a", "$ref": "https://example.com/a#/$defs/n", "$defs": {"n": {"type": "integer"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := compile(t, raw)
			if found := s.Validate([]byte(`1`)); len(found) > 0 {
				t.Errorf("1: %v", found)
			}
			if found := s.Validate([]byte(`"x"`)); len(found) != 1 {
				t.Errorf("x: %v", found)
			}
		})
	}
}

// definitions are so many, each of which refers to the next.
func definitions(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"d%d": {"$ref": "#/$defs/d%d"},`, i, i+1)
	}
	return fmt.Sprintf(`{%s "d%d": {"type": "object"}}`, b.String(), n)
}

// chain is a schema of so many references in a row.
func chain(n int) string { return `{"$ref": "#/$defs/d0", "$defs": ` + definitions(n) + `}` }

// manyPatterns are the subschemas of so many patterns of 1,000 instructions each.
func manyPatterns(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"pattern": "%da{1000}"},`, i)
	}
	return strings.TrimSuffix(b.String(), ",")
}
