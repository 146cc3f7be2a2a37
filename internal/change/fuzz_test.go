// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/posthorn-dev/posthorn/internal/change"
)

// object decodes what a fuzzer made up; nil where it is no object.
func object(text []byte) map[string]any {
	var o map[string]any
	if json.Unmarshal(text, &o) != nil {
		return nil
	}
	return o
}

// FuzzDiff holds a patch to what it is for, and the fingerprint to the patch: equal if and only if there is none.
func FuzzDiff(f *testing.F) {
	f.Add([]byte(`{"a":[1,2,{"b":null}],"c":"x"}`), []byte(`{"a":[2,{"b":[]},1.0],"c/~":{"d":true}}`))
	f.Add([]byte(`{"a":[[1],[2],[3]]}`), []byte(`{"a":[[3],[1]]}`))
	f.Add([]byte(`{"metadata":{"generation":1}}`), []byte(`{"metadata":{"generation":2,"resourceVersion":"1"}}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		before, after := object(a), object(b)
		if before == nil || after == nil {
			t.Skip()
		}
		checkPatch(t, before, after)
		patch := change.Diff(before, after)
		same := change.FingerprintOf(before) == change.FingerprintOf(after)
		if seen := len(change.ChangedPaths(patch)) > 0; seen == same && !onlyUnseen(before, after) {
			t.Fatalf("fingerprints equal: %t, patch %s", same, marshal(t, patch))
		}
	})
}

// onlyUnseen says whether a difference may lie in what fingerprints leave out in ways that paths do not: all of
// metadata, or something within a resourceVersion that is no string.
func onlyUnseen(before, after map[string]any) bool {
	for _, o := range []map[string]any{before, after} {
		metadata, ok := o["metadata"].(map[string]any)
		if !ok {
			if _, is := o["metadata"]; is {
				return true
			}
			continue
		}
		for _, key := range []string{"resourceVersion", "generation"} {
			switch metadata[key].(type) {
			case map[string]any, []any:
				return true
			}
		}
	}
	return false
}

// FuzzSanitize holds redaction to never write to the object, and to leave nothing to redact.
func FuzzSanitize(f *testing.F) {
	f.Add([]byte(`{"spec":{"containers":[{"env":[1]},{"env":2}]},"data":{"a/b":[[]]}}`), "/spec/containers/*/env", "/data/*/0")
	f.Add([]byte(`{"metadata":{"managedFields":[],"annotations":{"a/last-applied":"x"}},"a":{"b":{"c":1}}}`), "/*/b", "/a/*/c")
	f.Fuzz(func(t *testing.T, text []byte, first, second string) {
		o := object(text)
		r, err := change.ParseRedaction([]string{first, second})
		if o == nil || err != nil {
			t.Skip()
		}
		got := change.Sanitize(o, r)
		if diff := cmp.Diff(object(text), o); diff != "" {
			t.Fatalf("the object was written to:\n%s", diff)
		}
		if diff := change.Diff(got, change.Sanitize(got, withoutIndices(t, first, second))); diff != nil {
			t.Fatalf("%q, %q left something: %s", first, second, marshal(t, diff))
		}
	})
}

// withoutIndices is the redaction as far as it can be repeated: an element that was taken away leaves its index to
// the next.
func withoutIndices(t *testing.T, pointers ...string) change.Redaction {
	t.Helper()
	var kept []string
	for _, pointer := range pointers {
		if !hasDigit(pointer) {
			kept = append(kept, pointer)
		}
	}
	return redaction(t, kept...)
}

func hasDigit(s string) bool {
	for _, c := range s {
		if c >= '0' && c <= '9' {
			return true
		}
	}
	return false
}

func FuzzBuild(f *testing.F) {
	f.Add([]byte(`{}`), []byte(`{}`), "\x00", " ")
	f.Add([]byte(`{"apiVersion":"v1","kind":"Event","reason":"a\u0000b","regarding":{"kind":"Pod"}}`), []byte(`{"a":{"b":[1]}}`), "name", "actor")
	f.Fuzz(func(t *testing.T, a, b []byte, name, actor string) {
		before, after := object(a), object(b)
		if before == nil || after == nil || name == "" {
			t.Skip()
		}
		for _, form := range []change.Form{change.FormReference, change.FormObject, change.FormPatch} {
			r := change.ReferenceOf(after)
			r.Name, r.UID, r.ResourceVersion = name, "u", "1"
			build(t, change.Change{
				SourceNamespace: "ns", SourceName: "s", Resource: deployment, Operation: change.Updated, Form: form,
				Object: r, Old: before, New: after, Actor: actor,
			})
		}
		change.ManagersOf(after)
		change.ParseKubernetesEvent(after)
	})
}
