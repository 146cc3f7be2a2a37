// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"fmt"
	"strings"
	"testing"
)

func batchOf(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `%c{"specversion":"1.0","id":"%d","source":"/s","type":"t"}`, "[,"[min(i, 1)], i)
	}
	return b.String() + "]"
}

func TestParseBatch_ReadsEventsInOrder(t *testing.T) {
	t.Parallel()
	events, err := ParseBatch("ns", []byte(` [ {`+core+`,"data":[{"a":"]"}]} , {"specversion":"1.0","id":"2","source":"/s","type":"t"} ] `))
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 2 {
		t.Fatalf("%d events, want 2", len(events))
	}
	wantEvent(t, events[0], &Event{Namespace: "ns", ID: "1", Source: "/s", Type: "t", Data: []byte(`[{"a":"]"}]`)})
	wantEvent(t, events[1], &Event{Namespace: "ns", ID: "2", Source: "/s", Type: "t"})
}

func TestParseBatch_TakesAsManyAsAllowed(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, MaxBatchEvents} {
		events, err := ParseBatch("ns", []byte(batchOf(n)))
		if err != nil || len(events) != n {
			t.Errorf("%d events, error %v, want %d", len(events), err, n)
		}
	}
	if events, err := ParseBatch("ns", []byte(`[]`)); err != nil || len(events) != 0 {
		t.Errorf("empty batch: %d events, error %v, want none", len(events), err)
	}
}

func TestParseBatch_Refuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body      string
		kind      ErrorKind // Malformed where empty
		attribute string
		index     int
	}{
		"nothing":                        {body: "", index: -1},
		"an object":                      {body: `{` + core + `}`, index: -1},
		"broken JSON":                    {body: `[{` + core + `}`, index: -1},
		"an element that is no event":    {body: `["x",{` + core + `}]`, index: 0},
		"the one without an id":          {body: `[{` + core + `},{"specversion":"1.0","source":"/s","type":"t"}]`, index: 1, attribute: "id"},
		"mixed versions":                 {body: `[{` + core + `},{"specversion":"0.9","id":"2","source":"/s","type":"t"}]`, index: 1, attribute: "specversion"},
		"the one with a reserved type":   {body: `[{` + core + `},{"specversion":"1.0","id":"2","source":"/s","type":"dev.posthorn.x"}]`, index: 1, kind: Reserved, attribute: "type"},
		"the one that nests too deep":    {body: `[{` + core + `,"data":` + nested(MaxDepth+1) + `}]`, index: 0, attribute: "data"},
		"the one that is too large":      {body: `[{` + core + `},{` + core + `,"data":"` + strings.Repeat("x", MaxEventBytes) + `"}]`, index: 1, kind: TooLarge},
		"more events than are allowed":   {body: batchOf(MaxBatchEvents + 1), index: -1, kind: TooLarge},
		"more bytes than are allowed":    {body: strings.Repeat(" ", MaxBatchBytes) + `[]`, index: -1, kind: TooLarge},
		"the last one of a full batch":   {body: batchOf(MaxBatchEvents - 1)[:len(batchOf(MaxBatchEvents-1))-1] + `,{}]`, index: MaxBatchEvents - 1, attribute: "specversion"},
		"an element that is an array":    {body: `[[{` + core + `}]]`, index: 0},
		"an element that is null":        {body: `[null]`, index: 0},
		"an element with trailing comma": {body: `[{` + core + `},]`, index: -1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind := tc.kind
			if kind == "" {
				kind = Malformed
			}
			events, err := ParseBatch("ns", []byte(tc.body))
			wantRefusal(t, err, kind, tc.attribute, tc.index)
			if events != nil {
				t.Errorf("%d events beside a refusal, want none", len(events))
			}
		})
	}
}

func TestError_NamesTheEventOfTheBatch(t *testing.T) {
	t.Parallel()
	_, err := ParseBatch("ns", []byte(`[{`+core+`},{`+core+`,"time":"noon"}]`))
	want := "event 1 of the batch: time: must be an RFC 3339 timestamp such as 2026-01-02T15:04:05Z"
	if err == nil || err.Error() != want {
		t.Errorf("error = %v, want %s", err, want)
	}
}
