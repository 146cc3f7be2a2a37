// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package logapi

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/posthorn-dev/posthorn/internal/catalogue"
	"github.com/posthorn-dev/posthorn/internal/problem"
)

// PatternEventTypes is the path, for http.ServeMux, of the catalogue of event types.
const PatternEventTypes = "/v1/eventtypes"

// TypesOptions say what a TypesHandler serves.
type TypesOptions struct {
	// Types returns the types of a namespace in the order of their names, and false while they are not
	// known, after a start. Required.
	Types func(namespace string) (types []*catalogue.Type, known bool)
	// Anybody lets in whoever is known, to read what Posthorn emits; Access guards what a namespace
	// describes. Both are required unless AllowUnauthenticated is set.
	Anybody, Access Access
	// AllowUnauthenticated lets everybody read everything when there is no Access.
	AllowUnauthenticated bool
}

// TypesHandler serves the catalogue: the types that Posthorn emits, and those that a namespace
// describes. It is safe for concurrent use.
type TypesHandler struct{ options TypesOptions }

// NewTypes returns a TypesHandler.
func NewTypes(o TypesOptions) (*TypesHandler, error) {
	if o.Types == nil {
		return nil, errors.New("create catalogue API: Types is required")
	}
	if (o.Access == nil) != o.AllowUnauthenticated || (o.Access == nil) != (o.Anybody == nil) {
		return nil, errors.New("create catalogue API: set either Access and Anybody or AllowUnauthenticated")
	}
	return &TypesHandler{o}, nil
}

// Mount registers the handler's path.
func (h *TypesHandler) Mount(mux *http.ServeMux) { mux.Handle(PatternEventTypes, h) }

// ServeHTTP answers with the catalogue.
func (h *TypesHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := h.list(r)
	if err != nil {
		problem.From(err).Write(w)
		return
	}
	write(w, answer)
}

// list reads the built-in types, and those of the namespace that is asked for.
func (h *TypesHandler) list(r *http.Request) (any, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil, problem.MethodRefused(r.Method, "GET, HEAD")
	}
	values, err := parameterValues(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if name != "namespace" {
			return nil, badParameter(name, "is unknown; there is namespace")
		}
	}
	namespace := values["namespace"]
	if err := h.pass(r, namespace); err != nil {
		return nil, err
	}
	view := typesView{Items: builtinViews()}
	if namespace != "" {
		types, known := h.options.Types(namespace)
		if !known {
			return nil, problem.Unavailable.New("The types of events are being read after a start; try again.").After(time.Second)
		}
		for _, t := range types {
			view.Items = append(view.Items, newTypeView(t))
		}
	}
	return view, nil
}

// pass checks who asks: anybody for what Posthorn emits, who may read the types of a namespace for those.
func (h *TypesHandler) pass(r *http.Request, namespace string) error {
	access := h.options.Anybody
	if namespace != "" {
		if err := problem.CheckNamespace(namespace); err != nil {
			return err
		}
		access = h.options.Access
	}
	if h.options.AllowUnauthenticated {
		return nil
	}
	token, err := problem.Bearer(r)
	if err != nil {
		return err
	}
	_, err = access.Pass(r.Context(), token, namespace)
	return err
}

// typesView is the JSON of the catalogue.
type typesView struct {
	Items []typeView `json:"items"`
}

// typeView is the JSON of one type.
type typeView struct {
	Type        string            `json:"type"`
	BuiltIn     bool              `json:"builtIn,omitempty"`
	Namespace   string            `json:"namespace,omitempty"`
	Name        string            `json:"name,omitempty"`
	Description string            `json:"description,omitempty"`
	Enforcement string            `json:"enforcement,omitempty"`
	LastSeen    *time.Time        `json:"lastSeenTime,omitempty"`
	Schema      json.RawMessage   `json:"schema,omitempty"`
	Examples    []json.RawMessage `json:"examples,omitempty"`
}

func builtinViews() []typeView {
	var views []typeView
	for _, b := range catalogue.Builtins() {
		views = append(views, typeView{
			Type: b.Type, BuiltIn: true, Description: b.Description, Schema: b.Schema, Examples: b.Examples,
		})
	}
	return views
}

func newTypeView(t *catalogue.Type) typeView {
	v := typeView{
		Type: t.Type, Namespace: t.Namespace, Name: t.Name, Description: t.Description, Enforcement: "Enforce", Schema: t.Raw,
	}
	if t.Warn {
		v.Enforcement = "Warn"
	}
	if at := t.Seen(); !at.IsZero() {
		at = at.UTC()
		v.LastSeen = &at
	}
	for _, example := range t.Examples {
		v.Examples = append(v.Examples, example)
	}
	return v
}
