// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/posthorn-dev/posthorn/internal/change"
)

func TestParseRedaction_Refuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		pointer string
		// says are what the message must name: the pointer, and what to write instead.
		says []string
	}{
		"a pointer without a slash":   {"spec.template", []string{`"spec.template"`, `write "/spec/template"`}},
		"the empty pointer":           {"", []string{`""`, "whole object", "/spec"}},
		"a slash alone":               {"/", []string{"whole object"}},
		"everything":                  {"/*", []string{`"/*"`, "/apiVersion", "name something else"}},
		"the metadata":                {"/metadata", []string{`"/metadata"`, "/metadata/name", "/metadata/annotations"}},
		"all of the metadata":         {"/metadata/*", []string{"/metadata/name"}},
		"the name, under any parent":  {"/*/name", []string{"/metadata/name"}},
		"the uid":                     {"/metadata/uid", []string{"/metadata/uid"}},
		"the namespace":               {"/metadata/namespace", []string{"/metadata/namespace"}},
		"the version of the object":   {"/metadata/resourceVersion", []string{"/metadata/resourceVersion"}},
		"the kind":                    {"/kind", []string{"/kind"}},
		"the API version":             {"/apiVersion", []string{"/apiVersion"}},
		"an unknown escape":           {"/metadata/annotations/a~2b", []string{"~0", "~1"}},
		"an escape that is cut off":   {"/data/a~", []string{"~0", "~1"}},
		"an empty segment":            {"/spec//env", []string{`write "/spec/env"`}},
		"a slash at the end":          {"/spec/", []string{`write "/spec"`}},
		"a pointer that is too long":  {"/spec/" + strings.Repeat("x", change.MaxRedactionBytes), []string{"512 bytes", "what contains it"}},
		"a pointer that is too deep":  {strings.Repeat("/x", change.MaxRedactionDepth+1), []string{"32 segments"}},
		"a pointer that is not UTF-8": {"/spec/\xff", []string{"UTF-8"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := change.ParseRedaction([]string{"/spec/ok", tc.pointer})
			if err == nil {
				t.Fatal("taken")
			}
			for _, want := range tc.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

func TestParseRedaction_BoundsTheSet(t *testing.T) {
	t.Parallel()
	pointers := make([]string, change.MaxRedactions+1)
	for i := range pointers {
		pointers[i] = fmt.Sprint("/spec/", i)
	}
	redaction(t, pointers[1:]...)
	if _, err := change.ParseRedaction(pointers); err == nil || !strings.Contains(err.Error(), "64") {
		t.Errorf("error = %v, want one that names the bound", err)
	}
}

func TestRedaction_Key(t *testing.T) {
	t.Parallel()
	pointers := []string{"/spec/template/spec/containers/*/env", "/data", "/metadata/annotations/a~1b"}
	key := redaction(t, pointers...).Key()
	// It is stored beside fingerprints: another value would make all of them look changed.
	if want := "4d440f9fa65517cd"; key != want {
		t.Errorf("Key() = %q, want %q", key, want)
	}
	slices.Reverse(pointers)
	if got := redaction(t, append(pointers, "/data")...).Key(); got != key {
		t.Errorf("Key() = %q in another order, want %q", got, key)
	}
	for _, other := range [][]string{pointers[1:], {"/data/x"}, {"/da", "/ta"}, {"/data", "/x"}, {"/x/data"}} {
		if redaction(t, other...).Key() == key || redaction(t, other...).Key() == redaction(t, "/d", "/ata").Key() {
			t.Errorf("%q has the key of another set", other)
		}
	}
	if r := redaction(t); r.Key() != "" || !r.Empty() {
		t.Errorf("the empty set has the key %q", r.Key())
	}
}
