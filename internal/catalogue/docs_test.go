// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package catalogue_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/posthorn-dev/posthorn/internal/catalogue"
)

// TestReference_ListsWhatPosthornEmits holds docs/reference/event-types.md against the catalogue: each type with its
// description, and each field of its data with what the schema says of it.
func TestReference_ListsWhatPosthornEmits(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/reference/event-types.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	holds := func(line string) {
		if !strings.Contains(page, "\n"+line+"\n") {
			t.Errorf("docs/reference/event-types.md lacks the line\n%s", line)
		}
	}
	for _, b := range catalogue.Builtins() {
		holds(fmt.Sprintf("| `%s` | %s |", b.Type, b.Description))
		var schema struct {
			Required   []string
			Properties map[string]struct{ Description string }
		}
		if err := json.Unmarshal(b.Schema, &schema); err != nil {
			t.Fatal(err)
		}
		for name, property := range schema.Properties {
			always := ""
			for _, required := range schema.Required {
				if required == name {
					always = "yes"
				}
			}
			holds(fmt.Sprintf("| `%s` | %s | %s |", name, always, property.Description))
		}
	}
}
