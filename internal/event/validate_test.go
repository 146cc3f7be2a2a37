// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"strings"
	"testing"
)

// TestEvent_Validate has the rules that the parsers' own refusals come before. Sources and receivers
// make events without a parser.
func TestEvent_Validate(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change    func(*Event)
		kind      ErrorKind
		attribute string
	}{
		"a reserved extension":         {func(e *Event) { e.Extensions = map[string]any{"posthornx": "a"} }, Reserved, "posthornx"},
		"an integer of 64 bits":        {func(e *Event) { e.Extensions = map[string]any{"n": int64(1)} }, Malformed, "n"},
		"an extension without a value": {func(e *Event) { e.Extensions = map[string]any{"n": nil} }, Malformed, "n"},
		"an extension named like a core attribute": {
			func(e *Event) { e.Extensions = map[string]any{"time": "now"} }, Malformed, "time",
		},
		"a name longer than a message":  {func(e *Event) { e.Extensions = map[string]any{strings.Repeat("X\n", 50): ""} }, Malformed, strings.Repeat("X\uFFFD", 20) + "…"},
		"an id that is not UTF-8":       {func(e *Event) { e.ID = "\xff" }, Malformed, "id"},
		"an extension that is not UTF8": {func(e *Event) { e.Extensions = map[string]any{"n": "\xff"} }, Malformed, "n"},
		"bytes over the limit":          {func(e *Event) { e.Extensions = map[string]any{"n": make([]byte, MaxAttributeBytes)} }, TooLarge, ""},
		"data that is not JSON":         {func(e *Event) { e.Data = []byte("x") }, Malformed, "data"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &Event{ID: "1", Source: "/s", Type: "t"}
			if err := e.Validate(); err != nil {
				t.Fatal(err)
			}
			tc.change(e)
			wantRefusal(t, e.Validate(), tc.kind, tc.attribute, -1)
		})
	}
}

func TestParseStructured_TakesTheZeroTimeForNone(t *testing.T) {
	t.Parallel()
	e, err := ParseStructured("ns", []byte(`{`+core+`,"time":"0001-01-01T00:00:00Z"}`))
	if err != nil {
		t.Fatal(err)
	}
	wantEvent(t, e, &Event{Namespace: "ns", ID: "1", Source: "/s", Type: "t"})
}
