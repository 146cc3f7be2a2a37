// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change_test

import (
	"encoding/json"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/change"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ before, after, want string }{
		"equal":                         {`{"a":1,"b":[1,2]}`, `{"b":[1.0,2],"a":1}`, `null`},
		"a value":                       {`{"a":{"b":1}}`, `{"a":{"b":2}}`, `[{"op":"replace","path":"/a/b","value":2}]`},
		"a value that becomes null":     {`{"a":1}`, `{"a":null}`, `[{"op":"replace","path":"/a","value":null}]`},
		"another type":                  {`{"a":1,"b":{},"c":[]}`, `{"a":"1","b":[],"c":{}}`, `[{"op":"replace","path":"/a","value":"1"},{"op":"replace","path":"/b","value":[]},{"op":"replace","path":"/c","value":{}}]`},
		"keys, in their order":          {`{"b":1,"d":1}`, `{"a":1,"c":null,"d":1}`, `[{"op":"add","path":"/a","value":1},{"op":"remove","path":"/b"},{"op":"add","path":"/c","value":null}]`},
		"keys with slashes and tildes":  {`{}`, `{"a/b~c":"<&>"}`, `[{"op":"add","path":"/a~1b~0c","value":"<&>"}]`},
		"an element from the front":     {`{"a":[1,2,3]}`, `{"a":[2,3]}`, `[{"op":"remove","path":"/a/0"}]`},
		"an element into the middle":    {`{"a":[1,3]}`, `{"a":[1,2,3]}`, `[{"op":"add","path":"/a/1","value":2}]`},
		"several elements from a list":  {`{"a":[1,2,3,4]}`, `{"a":[1,4]}`, `[{"op":"remove","path":"/a/2"},{"op":"remove","path":"/a/1"}]`},
		"an element that changes in it": {`{"a":[{"t":"x","s":0},{"t":"y","s":0}]}`, `{"a":[{"t":"x","s":0},{"t":"y","s":1}]}`, `[{"op":"replace","path":"/a/1/s","value":1}]`},
		"all elements":                  {`{"a":[1,1]}`, `{"a":[]}`, `[{"op":"remove","path":"/a/1"},{"op":"remove","path":"/a/0"}]`},
		"large numbers":                 {`{"a":9007199254740992}`, `{"a":9007199254740993}`, `[{"op":"replace","path":"/a","value":9007199254740993}]`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			patch := change.Diff(decode(t, tc.before), decode(t, tc.after))
			got := marshal(t, patch)
			if got != tc.want && !jsonpatch.Equal([]byte(got), []byte(tc.want)) {
				t.Errorf("Diff() = %s, want %s", got, tc.want)
			}
			checkPatch(t, decode(t, tc.before), decode(t, tc.after))
		})
	}
}

func TestDiff_OfRealObjects(t *testing.T) {
	t.Parallel()
	before, after := clean(t, "deployment"), clean(t, "deployment")
	metadata := at(t, after, "metadata").(map[string]any)
	metadata["resourceVersion"], metadata["generation"] = "48300", int64(4)
	at(t, after, "spec").(map[string]any)["replicas"] = int64(2)
	at(t, after, "status", "conditions", 1).(map[string]any)["status"] = "True"
	delete(at(t, after, "status").(map[string]any), "unavailableReplicas")
	checkPatch(t, before, after)
	want := []string{"/spec/replicas", "/status/conditions/1/status", "/status/unavailableReplicas"}
	if diff := cmp.Diff(want, change.ChangedPaths(change.Diff(before, after))); diff != "" {
		t.Errorf("changed paths (-want +got):\n%s", diff)
	}
	// Objects that have little in common are the hardest.
	for _, from := range samples {
		for _, to := range samples {
			checkPatch(t, clean(t, from), clean(t, to))
		}
	}
}

// checkPatch applies the patch with a library of others, and compares.
func checkPatch(t *testing.T, before, after map[string]any) {
	t.Helper()
	diff := change.Diff(before, after)
	got := apply(t, before, diff)
	if rest := change.Diff(got, after); rest != nil {
		t.Fatalf("applied to the old state, %s leaves %s", marshal(t, diff), marshal(t, rest))
	}
	if change.FingerprintOf(got) != change.FingerprintOf(after) {
		t.Fatalf("applied to the old state, %s gives another fingerprint", marshal(t, diff))
	}
	if again := marshal(t, change.Diff(before, after)); again != marshal(t, diff) {
		t.Fatalf("not the same each time: %s, then %s", marshal(t, diff), again)
	}
}

func apply(t *testing.T, object map[string]any, diff change.Patch) map[string]any {
	t.Helper()
	patch, err := jsonpatch.DecodePatch([]byte(marshal(t, diff)))
	if err != nil {
		t.Fatal(err)
	}
	result, err := patch.Apply([]byte(marshal(t, object)))
	if err != nil {
		t.Fatalf("apply %s to %s: %v", marshal(t, diff), marshal(t, object), err)
	}
	return decode(t, string(result))
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
