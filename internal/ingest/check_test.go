// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/posthorn-dev/posthorn/internal/catalogue"
	"github.com/posthorn-dev/posthorn/internal/ingest"
	"github.com/posthorn-dev/posthorn/internal/problem"
	"github.com/posthorn-dev/posthorn/internal/schema"
)

// types are those of a table; a nil one is not known yet.
type types struct{ *catalogue.Table }

func (t *types) Namespace(name string) (map[string]*catalogue.Type, bool) {
	if t.Table == nil {
		return nil, false
	}
	return t.Table.Namespace(name), true
}

// typed are the types of namespace team-a: orders are enforced, refunds warned about, notes not checked.
func typed(t *testing.T) *types {
	t.Helper()
	s, err := schema.Compile([]byte(`{"type": "object", "required": ["total"], "properties": {"total": {"type": "number"}, "id": {"type": "string"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	return &types{catalogue.NewTable([]*catalogue.Type{
		{Namespace: "team-a", Name: "order", Type: "com.example.order", Schema: s},
		{Namespace: "team-a", Name: "refund", Type: "com.example.refund", Schema: s, Warn: true},
		{Namespace: "team-a", Name: "note", Type: "com.example.note"},
	})}
}

// ofType is a structured event, its data as it stands in JSON.
func ofType(id, eventType, data string) string {
	return `{"specversion":"1.0","id":"` + id + `","source":"/x","type":"` + eventType + `"` + data + `}`
}

func TestHandler_HoldsDataAgainstTheSchemaOfItsType(t *testing.T) {
	t.Parallel()
	const good, bad = `,"data":{"total":12}`, `,"data":{"id":7,"total":"12"}`
	both := []problem.Violation{
		{Pointer: "/id", Detail: "got number, want string"}, {Pointer: "/total", Detail: "got string, want number"},
	}
	one := func(i int) *int { return &i }
	cases := map[string]struct {
		request request
		want    []problem.Violation // none: it is accepted
		index   *int
	}{
		"valid data":                           {request: request{body: ofType("1", "com.example.order", good)}},
		"data with violations":                 {request: request{body: ofType("1", "com.example.order", bad)}, want: both},
		"data with violations that only warn":  {request: request{body: ofType("1", "com.example.refund", bad)}},
		"a type without a schema":              {request: request{body: ofType("1", "com.example.note", bad)}},
		"a type that nobody describes":         {request: request{body: ofType("1", "com.example.order.x", bad)}},
		"a type of another namespace":          {request: request{path: "/v1/namespaces/team-b/events", body: ofType("1", "com.example.order", bad)}},
		"no data":                              {request: request{body: ofType("1", "com.example.order", ``)}, want: []problem.Violation{{Detail: "is missing"}}},
		"data that is not JSON":                {request: request{body: ofType("1", "com.example.order", `,"datacontenttype":"text/plain","data":"x"`)}, want: []problem.Violation{{Detail: "is not JSON by its datacontenttype, which the schema of this type is about"}}},
		"a binary event":                       {request: request{contentType: plain, body: `{"total":"12","id":7}`, header: map[string]string{"Ce-Specversion": "1.0", "Ce-Id": "1", "Ce-Type": "com.example.order", "Ce-Source": "/x"}}, want: both},
		"plain JSON with the type in the path": {request: request{path: path + "/com.example.order", contentType: plain, body: `{"total":"12","id":7}`}, want: both},
		"plain JSON with the type in a header": {request: request{contentType: plain, body: `{"total":"12","id":7}`, header: map[string]string{ingest.HeaderType: "com.example.order"}}, want: both},
		"a batch": {request: request{contentType: batch, body: "[" + ofType("1", "com.example.order", good) + "," +
			ofType("2", "com.example.note", bad) + "]"}},
		"a batch with one at fault": {request: request{contentType: batch, body: "[" + ofType("1", "com.example.refund", bad) + "," +
			ofType("2", "com.example.order", good) + "," + ofType("3", "com.example.order", bad) + "]"}, want: both, index: one(2)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHandler(t, ingest.Options{Types: typed(t)})
			answer := send(t, h, tc.request)
			if tc.want == nil {
				if answer.status != http.StatusAccepted {
					t.Fatalf("status %d (%s), want 202", answer.status, answer.refusal.Detail)
				}
				return
			}
			if answer.status != http.StatusUnprocessableEntity || answer.refusal.Attribute != "data" ||
				answer.refusal.Type != "https://posthorn.dev/problems/schema-violation" {
				t.Fatalf("answer %d %+v, want 422", answer.status, answer.refusal)
			}
			if diff := cmp.Diff(tc.want, answer.refusal.Violations); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.index, answer.refusal.Index); diff != "" {
				t.Errorf("index (-want +got):\n%s", diff)
			}
			if !strings.Contains(answer.refusal.Detail, "WebhookEventType order") {
				t.Errorf("detail %q does not name what it is checked by", answer.refusal.Detail)
			}
			// Nothing of it was stored: the same event, corrected, is new.
			corrected := send(t, h, request{body: `{"specversion":"1.0","id":"1","source":"/x","type":"com.example.order","data":{"total":12}}`})
			if corrected.status != http.StatusAccepted || corrected.Accepted != 1 {
				t.Errorf("corrected: %d, %+v, want it accepted", corrected.status, corrected.accepted)
			}
		})
	}
}

func TestHandler_RepeatsWhatItAcceptedThoughTheTypeHasChanged(t *testing.T) {
	t.Parallel()
	of := &types{catalogue.NewTable(nil)}
	h := newHandler(t, ingest.Options{Types: of})
	keyed := request{
		path: path + "/com.example.order", contentType: plain, body: `{"total":"12"}`,
		header: map[string]string{ingest.HeaderKey: "k1"},
	}
	first := send(t, h, keyed).want(t, http.StatusAccepted)
	of.Table = typed(t).Table
	again := send(t, h, keyed).want(t, http.StatusAccepted)
	if !again.replayed() || again.IDs[0] != first.IDs[0] {
		t.Errorf("replayed %t with id %s, want %s", again.replayed(), again.IDs[0], first.IDs[0])
	}
	keyed.header = map[string]string{ingest.HeaderKey: "k2"}
	send(t, h, keyed).want(t, http.StatusUnprocessableEntity)
	of.Table = catalogue.NewTable(nil)
	if accepted := send(t, h, keyed).want(t, http.StatusAccepted); accepted.replayed() {
		t.Error("a request that was refused is remembered")
	}
}

func TestHandler_TakesNothingUncheckedAfterAStart(t *testing.T) {
	t.Parallel()
	of := &types{}
	h := newHandler(t, ingest.Options{Types: of})
	answer := send(t, h, request{body: orderPlaced("1")})
	if answer.status != http.StatusServiceUnavailable || answer.header.Get("Retry-After") != "1" {
		t.Fatalf("answer %d, Retry-After %q, want 503 and 1", answer.status, answer.header.Get("Retry-After"))
	}
	of.Table = catalogue.NewTable(nil)
	if answer = send(t, h, request{body: orderPlaced("1")}); answer.status != http.StatusAccepted {
		t.Fatalf("answer %d (%s), want 202", answer.status, answer.refusal.Detail)
	}
}

func TestHandler_CountsViolations(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	h := newHandler(t, ingest.Options{Types: typed(t), Registerer: registry})
	for _, eventType := range []string{"com.example.order", "com.example.refund", "com.example.refund", "com.example.note"} {
		send(t, h, request{contentType: plain, body: `{}`, header: map[string]string{ingest.HeaderType: eventType}})
	}
	const want = `
# HELP posthorn_ingest_schema_violations_total Events whose data violates the schema of their type, by what became of them: refused (Enforce) or accepted (Warn).
# TYPE posthorn_ingest_schema_violations_total counter
posthorn_ingest_schema_violations_total{result="accepted"} 2
posthorn_ingest_schema_violations_total{result="refused"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "posthorn_ingest_schema_violations_total"); err != nil {
		t.Error(err)
	}
}

func TestHandler_NotesWhenATypeWasSeen(t *testing.T) {
	t.Parallel()
	of := typed(t)
	h := newHandler(t, ingest.Options{Types: of})
	before := time.Now().Truncate(time.Second)
	send(t, h, request{body: ofType("1", "com.example.order", `,"data":{"total":"refused"}`)})
	send(t, h, request{body: ofType("2", "com.example.note", `,"data":1`)})
	seen := map[string]bool{}
	of.All(func(one *catalogue.Type) {
		if at := one.Seen(); !at.IsZero() {
			seen[one.Name] = !at.Before(before)
		}
	})
	if diff := cmp.Diff(map[string]bool{"note": true}, seen); diff != "" {
		t.Errorf("seen (-want +got):\n%s", diff)
	}
}
