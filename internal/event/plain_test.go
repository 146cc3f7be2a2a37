// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"testing"
	"time"
)

func TestFromJSON_MakesAnEvent(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.FixedZone("CET", 3600))
	got, err := FromJSON("ns", "com.example.t", []byte(`{"a":1}`), "7", "/src", "sub", now)
	if err != nil {
		t.Fatal(err)
	}
	wantEvent(t, got, &Event{
		Namespace: "ns", ID: "7", Source: "/src", Type: "com.example.t", Subject: "sub", DataContentType: "application/json",
		Time: time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC), Data: []byte(`{"a":1}`),
	})
}

func TestFromJSON_FillsIDAndSource(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		e, err := FromJSON("ns", "t", []byte(`1`), "", "", "", time.Unix(0, 0))
		if err != nil {
			t.Fatal(err)
		}
		if e.Source != "/v1/namespaces/ns/events" {
			t.Fatalf("source = %q, want the path of the namespace", e.Source)
		}
		if len(e.ID) < 20 || seen[e.ID] {
			t.Fatalf("id = %q, want a random one", e.ID)
		}
		seen[e.ID] = true
	}
}

func TestFromJSON_Refuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		eventType, body, id string
		kind                ErrorKind
		attribute           string
	}{
		"no body":                    {eventType: "t", kind: Malformed, attribute: "data"},
		"a body that is not JSON":    {eventType: "t", body: "hello", kind: Malformed, attribute: "data"},
		"a body that nests too deep": {eventType: "t", body: nested(MaxDepth + 1), kind: Malformed, attribute: "data"},
		"no type":                    {body: "1", kind: Malformed, attribute: "type"},
		"a reserved type":            {eventType: "dev.posthorn.x", body: "1", kind: Reserved, attribute: "type"},
		"a control character":        {eventType: "t", body: "1", id: "a\x00", kind: Malformed, attribute: "id"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := FromJSON("ns", tc.eventType, []byte(tc.body), tc.id, "", "", time.Unix(0, 0))
			wantRefusal(t, err, tc.kind, tc.attribute, -1)
		})
	}
}
