// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseTypePattern_ReadsTheThreeForms(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		want    TypePattern
		matches []string
		others  []string
	}{
		"*": {
			want:    TypePattern{All: true},
			matches: []string{"a", "com.example.order.created"},
		},
		"com.example.order.created": {
			want:    TypePattern{Exact: "com.example.order.created"},
			matches: []string{"com.example.order.created"},
			others:  []string{"com.example.order.created.v2", "com.example.order", "COM.example.order.created", ""},
		},
		"com.example.*": {
			want:    TypePattern{Prefix: "com.example."},
			matches: []string{"com.example.order", "com.example.order.created"},
			others:  []string{"com.example", "com.example.", "com.examples.order", "Com.example.order"},
		},
		"Push Hook": {
			want:    TypePattern{Exact: "Push Hook"},
			matches: []string{"Push Hook"},
		},
	}
	for pattern, tc := range tests {
		t.Run(pattern, func(t *testing.T) {
			t.Parallel()
			got, err := ParseTypePattern(pattern)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("pattern (-want +got):\n%s", diff)
			}
			if got.String() != pattern {
				t.Errorf("String() = %q, want %q", got, pattern)
			}
			for _, eventType := range tc.matches {
				if !got.Matches(eventType) {
					t.Errorf("does not match %q", eventType)
				}
			}
			for _, eventType := range tc.others {
				if got.Matches(eventType) {
					t.Errorf("matches %q", eventType)
				}
			}
		})
	}
}

func TestTypePattern_ZeroMatchesNothing(t *testing.T) {
	t.Parallel()
	if (TypePattern{}).Matches("") || (TypePattern{}).Matches("a") {
		t.Error("the zero pattern matches")
	}
}

func TestNewMatcher_RefusesPatternsByField(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		types, sources []string
		field          string
	}{
		"an empty type":                       {types: []string{"a", ""}, field: "types[1]"},
		"a star within a type":                {types: []string{"com.*.created"}, field: "types[0]"},
		"a star behind no dot":                {types: []string{"com.exam*"}, field: "types[0]"},
		"two stars":                           {types: []string{"com.**"}, field: "types[0]"},
		"a star behind nothing but a dot":     {types: []string{".*"}, field: "types[0]"},
		"a control character":                 {types: []string{"a\n"}, field: "types[0]"},
		"space around a type":                 {types: []string{" a"}, field: "types[0]"},
		"bytes that are not UTF-8":            {types: []string{"\xff"}, field: "types[0]"},
		"a type longer than a pattern may be": {types: []string{strings.Repeat("a", maxPatternBytes+1)}, field: "types[0]"},
		"an empty source":                     {types: []string{"a"}, sources: []string{""}, field: "sources[0]"},
		"a star within a source":              {types: []string{"a"}, sources: []string{"/a", "/b", "/*/c"}, field: "sources[2]"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := NewMatcher(tc.types, tc.sources, "")
			e := refusal(t, err)
			if e.Field != tc.field || e.Line != 0 || !strings.HasPrefix(e.Error(), tc.field+": ") {
				t.Errorf("refusal = %+v (%s), want field %s and no place", e, e, tc.field)
			}
		})
	}
}

func TestMatcher_Sources(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		sources []string
		want    bool
	}{
		"none is any":              {want: true},
		"a star is any":            {sources: []string{"*"}, want: true},
		"the source itself":        {sources: []string{"/other", "https://shop.example.com/orders"}, want: true},
		"a prefix":                 {sources: []string{"https://shop.example.com/*"}, want: true},
		"a prefix within a word":   {sources: []string{"https://shop.exam*"}, want: true},
		"a prefix that is the all": {sources: []string{"https://shop.example.com/orders*"}, want: true},
		"another source":           {sources: []string{"https://shop.example.com"}, want: false},
		"another prefix":           {sources: []string{"http://*"}, want: false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := NewMatcher([]string{"*"}, tc.sources, "")
			if err != nil {
				t.Fatal(err)
			}
			got, err := m.Matches(NewInput(order()))
			if err != nil || got != tc.want {
				t.Errorf("matches = %t, %v, want %t", got, err, tc.want)
			}
		})
	}
}

func TestMatcher_Types(t *testing.T) {
	t.Parallel()
	m, err := NewMatcher([]string{"a", "b.*"}, nil, "true")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]TypePattern{{Exact: "a"}, {Prefix: "b."}}, m.Types()); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
	m.Types()[0] = TypePattern{All: true}
	if !m.MatchesType("a") || !m.MatchesType("b.c") || m.MatchesType("c") {
		t.Error("the matcher took over what a caller changed, or matches wrongly")
	}
	if !m.HasExpression() {
		t.Error("HasExpression() = false of a matcher with an expression")
	}
	none, err := NewMatcher(nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if none.MatchesType("a") || none.HasExpression() {
		t.Error("a matcher without types matches, or has an expression")
	}
}
