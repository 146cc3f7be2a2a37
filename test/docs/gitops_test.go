// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"github.com/google/go-cmp/cmp"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// snippet is the YAML block of docs/gitops.md that begins with a key.
func snippet(t *testing.T, key string, into any) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "gitops.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```yaml\n(" + regexp.QuoteMeta(key) + ".*?)```").FindSubmatch(page)
	if found == nil {
		t.Fatalf("docs/gitops.md has no block that begins with %s", key)
	}
	if err := yaml.Unmarshal(found[1], into); err != nil {
		t.Fatal(err)
	}
}

// health is what Argo CD and Flux must make of one object.
type health struct {
	status     string
	argo, flux string
}

var healths = map[string]health{
	"just applied":  {``, "Progressing", "Unknown"}, // an expression about a status that is not there fails, and Flux waits
	"no conditions": {`{"observedGeneration":2}`, "Progressing", "InProgress"},
	"reconciling": {
		`{"observedGeneration":2,"conditions":[{"type":"Reconciling","status":"True","observedGeneration":2},` +
			`{"type":"Ready","status":"Unknown","observedGeneration":2}]}`, "Progressing", "InProgress",
	},
	"ready": {
		`{"observedGeneration":2,"conditions":[{"type":"KeyProvisioned","status":"True","observedGeneration":2},` +
			`{"type":"Ready","status":"True","observedGeneration":2,"message":"works"}]}`, "Healthy", "Current",
	},
	"ready before the last change": {
		`{"observedGeneration":1,"conditions":[{"type":"Ready","status":"True","observedGeneration":1}]}`, "Progressing", "InProgress",
	},
	"not ready, which may still come right": {
		`{"observedGeneration":2,"conditions":[{"type":"Ready","status":"False","observedGeneration":2}]}`, "Progressing", "InProgress",
	},
	"stalled": {
		`{"observedGeneration":2,"conditions":[{"type":"Ready","status":"False","observedGeneration":2},` +
			`{"type":"Stalled","status":"True","observedGeneration":2,"message":"give a URL"}]}`, "Degraded", "Failed",
	},
	"stalled before the last change": {
		`{"observedGeneration":1,"conditions":[{"type":"Ready","status":"False","observedGeneration":1},` +
			`{"type":"Stalled","status":"True","observedGeneration":1}]}`, "Progressing", "InProgress",
	},
}

// kinds are all of Posthorn's, in their order.
func kinds(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "config", "crd", "bases", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d definitions, %v", len(files), err)
	}
	var kinds []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var crd struct {
			Spec struct{ Names struct{ Kind string } }
		}
		if err := yaml.Unmarshal(text, &crd); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, crd.Spec.Names.Kind)
	}
	slices.Sort(kinds)
	return kinds
}

// object is one of a kind and of generation 2 with the status.
func (h health) object(t *testing.T, kind string) *unstructured.Unstructured {
	t.Helper()
	content := `{"apiVersion":"posthorn.dev/v1alpha1","kind":"` + kind + `","metadata":{"name":"x","generation":2},"spec":{}`
	if h.status != "" {
		content += `,"status":` + h.status
	}
	var u unstructured.Unstructured
	if err := u.UnmarshalJSON([]byte(content + "}")); err != nil {
		t.Fatal(err)
	}
	return &u
}

// TestGitOps_FluxReadsTheHealth has Flux's own code evaluate the expressions of the page.
func TestGitOps_FluxReadsTheHealth(t *testing.T) {
	t.Parallel()
	var page struct {
		HealthCheckExprs []kustomize.CustomHealthCheck `json:"healthCheckExprs"`
	}
	snippet(t, "healthCheckExprs:", &page)
	checked := make([]string, len(page.HealthCheckExprs))
	for i, c := range page.HealthCheckExprs {
		checked[i] = c.Kind
	}
	slices.Sort(checked)
	if diff := cmp.Diff(kinds(t), checked); diff != "" {
		t.Fatalf("kinds (-want +page):\n%s", diff)
	}
	newReader, err := cel.NewStatusReader(page.HealthCheckExprs)
	if err != nil {
		t.Fatal(err)
	}
	reader := newReader(nil)
	for name, h := range healths {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, kind := range checked {
				got, err := reader.ReadStatusForObject(t.Context(), nil, h.object(t, kind))
				if err != nil || string(got.Status) != h.flux {
					t.Errorf("%s: got %v (%v), want %s", kind, got, err, h.flux)
				}
			}
		})
	}
}

// TestGitOps_ArgoReadsTheHealth runs the script of the page in the interpreter that Argo CD has.
func TestGitOps_ArgoReadsTheHealth(t *testing.T) {
	t.Parallel()
	var page map[string]string
	snippet(t, "resource.customizations.health", &page)
	of := kinds(t)
	for name, h := range healths {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, kind := range of {
				script := page["resource.customizations.health.posthorn.dev_"+kind]
				if got := argoHealth(t, script, h.object(t, kind)); got != h.argo {
					t.Errorf("%s: got %s, want %s", kind, got, h.argo)
				}
			}
		})
	}
}

// argoHealth returns the status that a script makes of an object.
func argoHealth(t *testing.T, script string, object *unstructured.Unstructured) string {
	t.Helper()
	l := lua.NewState()
	defer l.Close()
	l.SetGlobal("obj", luaValue(l, object.Object))
	if err := l.DoString(script); err != nil {
		t.Fatal(err)
	}
	answer, ok := l.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("the script returned %v", l.Get(-1))
	}
	return lua.LVAsString(answer.RawGetString("status"))
}

// TestGitOps_ArgoKnowsTheKeys holds the keys of the page against what Argo CD reads under them: a customization and
// behind it a group and a kind, and for the updates to ignore a document with pointers to fields.
func TestGitOps_ArgoKnowsTheKeys(t *testing.T) {
	t.Parallel()
	var page map[string]string
	snippet(t, "resource.customizations.health", &page)
	const prefix, group = "resource.customizations.", ".posthorn.dev_"
	var want []string
	for _, customization := range []string{"health", "ignoreResourceUpdates"} {
		for _, kind := range kinds(t) {
			want = append(want, prefix+customization+group+kind)
		}
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(page))); diff != "" {
		t.Fatalf("keys (-want +page):\n%s", diff)
	}
	for _, kind := range kinds(t) {
		// The fields that Argo CD has there.
		var ignore struct {
			JSONPointers          []string `json:"jsonPointers"`
			JQPathExpressions     []string `json:"jqPathExpressions"`
			ManagedFieldsManagers []string `json:"managedFieldsManagers"`
		}
		if err := yaml.UnmarshalStrict([]byte(page[prefix+"ignoreResourceUpdates"+group+kind]), &ignore); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"/status"}, ignore.JSONPointers); diff != "" || len(ignore.JQPathExpressions)+len(ignore.ManagedFieldsManagers) > 0 {
			t.Errorf("%s ignores %+v, want the status alone", kind, ignore)
		}
	}
}

// luaValue is a JSON value as a script sees it.
func luaValue(l *lua.LState, v any) lua.LValue {
	switch v := v.(type) {
	case map[string]any:
		table := l.NewTable()
		for key, value := range v {
			table.RawSetString(key, luaValue(l, value))
		}
		return table
	case []any:
		table := l.NewTable()
		for _, value := range v {
			table.Append(luaValue(l, value))
		}
		return table
	case string:
		return lua.LString(v)
	case bool:
		return lua.LBool(v)
	case int64:
		return lua.LNumber(v)
	}
	text, _ := json.Marshal(v)
	panic("no value of a status: " + string(text))
}
