// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"embed"
	"encoding/json"
)

//go:embed schemas/*.json
var schemas embed.FS

// Schema returns the JSON Schema (2020-12) of the data of all events from Kubernetes objects, whatever their form.
func Schema() json.RawMessage { return schema("data") }

// Schemas returns the JSON Schema (2020-12) of the data of each form. They allow for a truncated event, whose data
// is that of FormReference.
func Schemas() map[Form]json.RawMessage {
	return map[Form]json.RawMessage{
		FormReference: schema("reference"),
		FormObject:    schema("object"),
		FormPatch:     schema("patch"),
	}
}

func schema(name string) json.RawMessage {
	b, err := schemas.ReadFile("schemas/" + name + ".json")
	if err != nil {
		panic(err) // it is compiled in
	}
	return b
}
