// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/change"
)

func TestSanitize_TakesAwayWhatNobodyMaySee(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ in, want string }{
		"managed fields": {
			`{"kind":"Pod","metadata":{"name":"a","managedFields":[{"manager":"m"}]}}`,
			`{"kind":"Pod","metadata":{"name":"a"}}`,
		},
		"last-applied annotations, and annotations that are empty then": {
			`{"metadata":{"name":"a","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{}"}}}`,
			`{"metadata":{"name":"a"}}`,
		},
		"last-applied annotations beside others": {
			`{"metadata":{"annotations":{"kapp.k14s.io/original":"{}","note":"x"}}}`,
			`{"metadata":{"annotations":{"note":"x"}}}`,
		},
		"nothing from annotations that were empty before": {
			`{"metadata":{"annotations":{}}}`,
			`{"metadata":{"annotations":{}}}`,
		},
		"the data of a Secret": {
			`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"type":"Opaque","data":{"k":"djE="},"stringData":{"k":"v"}}`,
			`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"type":"Opaque"}`,
		},
		"nothing from a Secret of another group": {
			`{"apiVersion":"example.com/v1","kind":"Secret","data":{"k":"v"}}`,
			`{"apiVersion":"example.com/v1","kind":"Secret","data":{"k":"v"}}`,
		},
		"nothing from an object that is not well formed": {
			`{"metadata":"none","spec":null}`,
			`{"metadata":"none","spec":null}`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := change.Sanitize(decode(t, tc.in), change.Redaction{})
			if diff := cmp.Diff(decode(t, tc.want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSanitize_TakesAwayWhatIsRedacted(t *testing.T) {
	t.Parallel()
	const object = `{"spec":{"containers":[{"name":"a","env":[1]},{"name":"b"},{"name":"c","env":[2]}],"x/y":1,"m~n":2,"list":[[1,2],[3]],"none":null}}`
	tests := map[string]struct {
		pointers []string
		want     string
	}{
		"a key":                           {[]string{"/spec/containers"}, `{"spec":{"x/y":1,"m~n":2,"list":[[1,2],[3]],"none":null}}`},
		"a key that is null":              {[]string{"/spec/none"}, `{"spec":{"containers":[{"name":"a","env":[1]},{"name":"b"},{"name":"c","env":[2]}],"x/y":1,"m~n":2,"list":[[1,2],[3]]}}`},
		"a key in every element":          {[]string{"/spec/containers/*/env"}, `{"spec":{"containers":[{"name":"a"},{"name":"b"},{"name":"c"}],"x/y":1,"m~n":2,"list":[[1,2],[3]],"none":null}}`},
		"one element":                     {[]string{"/spec/list/0"}, `{"spec":{"containers":[{"name":"a","env":[1]},{"name":"b"},{"name":"c","env":[2]}],"x/y":1,"m~n":2,"list":[[3]],"none":null}}`},
		"every element":                   {[]string{"/spec/containers/*", "/spec/list/*/0"}, `{"spec":{"containers":[],"x/y":1,"m~n":2,"list":[[2],[]],"none":null}}`},
		"keys with escapes":               {[]string{"/spec/x~1y", "/spec/m~0n"}, `{"spec":{"containers":[{"name":"a","env":[1]},{"name":"b"},{"name":"c","env":[2]}],"list":[[1,2],[3]],"none":null}}`},
		"every key":                       {[]string{"/spec/*"}, `{"spec":{}}`},
		"a key and what is below any key": {[]string{"/spec/containers", "/*/list/0"}, `{"spec":{"x/y":1,"m~n":2,"list":[[3]],"none":null}}`},
		"what contains it, and itself":    {[]string{"/spec", "/spec/list"}, `{}`},
		"what is not there":               {[]string{"/status", "/spec/list/7", "/spec/none/x", "/spec/containers/-"}, object},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := change.Sanitize(decode(t, object), redaction(t, tc.pointers...))
			if diff := cmp.Diff(decode(t, tc.want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSanitize_LeavesTheObjectAsItIs(t *testing.T) {
	t.Parallel()
	r := redaction(t, "/spec/template/spec/containers/*/env", "/status/conditions/0", "/metadata/labels/team", "/data/*")
	for _, name := range samples {
		object := load(t, name)
		change.Sanitize(object, r)
		if diff := cmp.Diff(load(t, name), object); diff != "" {
			t.Errorf("%s was written to:\n%s", name, diff)
		}
	}
}

func TestSanitize_CopiesOnlyWhatChanges(t *testing.T) {
	t.Parallel()
	object := load(t, "deployment")
	got := change.Sanitize(object, change.Redaction{})
	got["spec"].(map[string]any)["shared"] = true
	if _, ok := object["spec"].(map[string]any)["shared"]; !ok {
		t.Error("the spec was copied without need")
	}
}

func TestIsLastApplied(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		"kubectl.kubernetes.io/last-applied-configuration": true,
		"app.oam.dev/last-applied-configuration":           true,
		"kubernetes-fleet.io/last-applied-configuration":   true,
		"banzaicloud.com/last-applied":                     true,
		"last-applied-configuration":                       true,
		"kapp.k14s.io/original":                            true,
		"kapp.k14s.io/original-diff-md5":                   true,
		"objectset.rio.cattle.io/applied":                  true,
		"configmanagement.gke.io/declared-config":          true,
		"objectset.rio.cattle.io/id":                       false,
		"kapp.k14s.io/identity":                            false,
		"example.com/original":                             false,
		"example.com/applied":                              false,
		"last-applied.example.com/note":                    false,
		"deployment.kubernetes.io/revision":                false,
	}
	for annotation, want := range tests {
		if got := change.IsLastApplied(annotation); got != want {
			t.Errorf("IsLastApplied(%q) = %t, want %t", annotation, got, want)
		}
	}
}
