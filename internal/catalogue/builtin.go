// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package catalogue

import (
	_ "embed"
	"encoding/json"
	"strings"
	"sync"

	"github.com/posthorn-dev/posthorn/internal/change"
	"github.com/posthorn-dev/posthorn/internal/schema"
)

// Builtin is a type, or a family of types, that Posthorn itself emits.
type Builtin struct {
	// Type is the type; in a family <group> and <kind> stand for those of the Kubernetes object, in lower
	// case, and <operation> for created, updated or deleted.
	Type string
	// Description says what events of it tell.
	Description string
	// Schema is the JSON Schema of the data, and Examples are data that is valid by it.
	Schema   json.RawMessage
	Examples []json.RawMessage
}

// gapType is the type of the event that tells of a gap.
const gapType = "dev.posthorn.source.gap"

// kubernetesSchema is of the data about Kubernetes objects, gapSchema of that about a gap.
var (
	kubernetesSchema = change.Schema()
	//go:embed schemas/gap.json
	gapSchema []byte
)

// deployment is the data about a Deployment, with what a form adds.
func deployment(more string) json.RawMessage {
	return json.RawMessage(`{"apiVersion":"apps/v1","kind":"Deployment","namespace":"shop","name":"web",` +
		`"uid":"0b5f3e1c-6d0f-4f0e-9d53-8a1f0c3f7b52","resourceVersion":"81532","labels":{"app":"web"}` + more + `}`)
}

// Builtins returns the types that Posthorn emits. Only sources emit them: a producer that sends one is
// refused.
func Builtins() []Builtin {
	return []Builtin{
		{
			Type:        change.Prefix + "<group>.<kind>.created",
			Description: "A Kubernetes object was created. The core group is written core.",
			Schema:      kubernetesSchema,
			Examples:    []json.RawMessage{deployment("")},
		},
		{
			Type:        change.Prefix + "<group>.<kind>.updated",
			Description: "A Kubernetes object has changed, or an expression about it has turned true.",
			Schema:      kubernetesSchema,
			Examples: []json.RawMessage{
				deployment(""),
				deployment(`,"patch":[{"op":"replace","path":"/spec/replicas","value":3}],"changed":["/spec/replicas"]`),
			},
		},
		{
			Type:        change.Prefix + "<group>.<kind>.deleted",
			Description: "A Kubernetes object is gone.",
			Schema:      kubernetesSchema,
			Examples:    []json.RawMessage{deployment("")},
		},
		{
			Type:        change.Prefix + "<group>.<kind>.<operation>" + change.RecoveredSuffix,
			Description: "An expression about a Kubernetes object that was true is no more.",
			Schema:      kubernetesSchema,
			Examples:    []json.RawMessage{deployment("")},
		},
		{
			Type: gapType,
			Description: "A source was away for so long that the cluster has forgotten what happened meanwhile, " +
				"as it does with Kubernetes Events after an hour.",
			Schema: gapSchema,
			Examples: []json.RawMessage{json.RawMessage(
				`{"apiVersion":"events.k8s.io/v1","kind":"Event","from":"2026-11-26T02:00:00Z","to":"2026-11-26T03:30:00Z"}`)},
		},
	}
}

// compiled are the schemas of the types that Posthorn emits, compiled when the first is asked for.
var compiled = sync.OnceValues(func() (kubernetes, gap *schema.Schema) {
	return mustCompile(kubernetesSchema), mustCompile(gapSchema)
})

func mustCompile(raw []byte) *schema.Schema {
	s, err := schema.Compile(raw)
	if err != nil {
		panic(err) // it is compiled in
	}
	return s
}

// BuiltinOf returns the type of that name that Posthorn emits, or nil. Data of them is not checked at
// ingest, which never sees it; their schemas say which fields expressions may read.
func BuiltinOf(eventType string) *Type {
	kubernetes, gap := compiled()
	switch {
	case eventType == gapType:
		return &Type{Type: eventType, Schema: gap}
	case isKubernetes(eventType):
		return &Type{Type: eventType, Schema: kubernetes}
	}
	return nil
}

// isKubernetes reports whether a type is one of those about Kubernetes objects.
func isKubernetes(eventType string) bool {
	rest, ok := strings.CutPrefix(strings.TrimSuffix(eventType, change.RecoveredSuffix), change.Prefix)
	if !ok {
		return false
	}
	for _, operation := range []string{".created", ".updated", ".deleted"} {
		// What is left is a group and a kind.
		if object, found := strings.CutSuffix(rest, operation); found {
			group, kind, both := cutLast(object)
			return both && group != "" && kind != ""
		}
	}
	return false
}

// cutLast cuts at the last dot.
func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
