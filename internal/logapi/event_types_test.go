// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package logapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/posthorn-dev/posthorn/internal/catalogue"
	"github.com/posthorn-dev/posthorn/internal/logapi"
	"github.com/posthorn-dev/posthorn/internal/problem"
)

// passes lets one token into some namespaces.
type passes struct {
	token      string
	namespaces []string
}

func (p passes) Pass(_ context.Context, token, namespace string) (string, error) {
	switch {
	case token != p.token:
		return "", problem.Unauthenticated.New("unknown token")
	case !slices.Contains(p.namespaces, namespace):
		return "", problem.Forbidden.New("no right there")
	}
	return "someone", nil
}

// ask gets the catalogue.
func ask(t *testing.T, h http.Handler, method, url, token string) (int, []map[string]any) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, url, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var answer struct{ Items []map[string]any }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	return w.Code, answer.Items
}

func TestTypes_ListsWhatPosthornEmitsAndWhatTheNamespaceDescribes(t *testing.T) {
	t.Parallel()
	known := false
	table := catalogue.NewTable([]*catalogue.Type{
		{Namespace: "team-a", Name: "order", Type: "com.example.order", Description: "An order.", Raw: []byte(`{"type":"object"}`), Examples: [][]byte{[]byte(`{"a":1}`)}},
		{Namespace: "team-b", Name: "secret", Type: "com.example.secret", Warn: true},
	})
	h, err := logapi.NewTypes(logapi.TypesOptions{
		Types:   func(namespace string) ([]*catalogue.Type, bool) { return table.Of(namespace), known },
		Anybody: passes{"good", []string{""}},
		Access:  passes{"good", []string{"team-a"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	h.Mount(mux)
	builtins := len(catalogue.Builtins())
	if code, _ := ask(t, mux, http.MethodGet, "/v1/eventtypes?namespace=team-a", "good"); code != http.StatusServiceUnavailable {
		t.Errorf("%d while the types are not known, want 503", code)
	}
	known = true
	for name, tc := range map[string]struct {
		method, url, token string
		code, items        int
	}{
		"what Posthorn emits":            {http.MethodGet, "/v1/eventtypes", "good", 200, builtins},
		"a namespace's":                  {http.MethodGet, "/v1/eventtypes?namespace=team-a", "good", 200, builtins + 1},
		"a namespace without the right":  {http.MethodGet, "/v1/eventtypes?namespace=team-b", "good", 403, 0},
		"no token":                       {http.MethodGet, "/v1/eventtypes", "", 401, 0},
		"another token":                  {http.MethodGet, "/v1/eventtypes", "bad", 401, 0},
		"a name that is no namespace":    {http.MethodGet, "/v1/eventtypes?namespace=*", "good", 400, 0},
		"a parameter that is not known":  {http.MethodGet, "/v1/eventtypes?type=a", "good", 400, 0},
		"a method that is not for that":  {http.MethodPost, "/v1/eventtypes", "good", 405, 0},
		"a namespace that is left empty": {http.MethodGet, "/v1/eventtypes?namespace=", "good", 400, 0},
	} {
		t.Run(name, func(t *testing.T) {
			code, items := ask(t, mux, tc.method, tc.url, tc.token)
			if code != tc.code || len(items) != tc.items {
				t.Errorf("%d with %d items, want %d with %d", code, len(items), tc.code, tc.items)
			}
		})
	}
	_, items := ask(t, mux, http.MethodGet, "/v1/eventtypes?namespace=team-a", "good")
	first, last := items[0], items[len(items)-1]
	if first["builtIn"] != true || first["schema"] == nil || first["examples"] == nil {
		t.Errorf("first is %v, want a built-in type with schema and examples", first)
	}
	if last["type"] != "com.example.order" || last["name"] != "order" || last["enforcement"] != "Enforce" || last["builtIn"] != nil ||
		last["schema"] == nil || last["examples"] == nil || last["description"] != "An order." {
		t.Errorf("last is %v, want the namespace's type", last)
	}
}

func TestNewTypes_RefusesOptionsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	types := func(string) ([]*catalogue.Type, bool) { return nil, true }
	for name, o := range map[string]logapi.TypesOptions{
		"no types":         {AllowUnauthenticated: true},
		"nobody let in":    {Types: types},
		"one of two":       {Types: types, Access: passes{}},
		"both and neither": {Types: types, Access: passes{}, Anybody: passes{}, AllowUnauthenticated: true},
	} {
		if _, err := logapi.NewTypes(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
