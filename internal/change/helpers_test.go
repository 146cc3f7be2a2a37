// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/json"

	"github.com/posthorn-dev/posthorn/internal/change"
)

// samples are the objects of testdata that are no Kubernetes Events.
var samples = []string{"deployment", "pod", "configmap", "job"}

// load reads an object of testdata as Kubernetes decodes it.
func load(t testing.TB, name string) map[string]any {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, string(b))
}

func decode(t testing.TB, text string) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		t.Fatal(err)
	}
	return object
}

// clean is a sanitized object of testdata.
func clean(t testing.TB, name string) map[string]any {
	t.Helper()
	return change.Sanitize(load(t, name), change.Redaction{})
}

func redaction(t testing.TB, pointers ...string) change.Redaction {
	t.Helper()
	r, err := change.ParseRedaction(pointers)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// at returns what is at a path of keys and indices.
func at(t testing.TB, value any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			value = value.(map[string]any)[step]
		case int:
			value = value.([]any)[step]
		}
	}
	return value
}

func instant(t testing.TB, s string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}
