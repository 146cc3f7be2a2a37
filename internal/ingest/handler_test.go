// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/ingest"
	"github.com/posthorn-dev/posthorn/internal/problem"
)

func TestHandler_TakesEveryFormOfAnEvent(t *testing.T) {
	shop := &event.Event{
		Namespace: "team-a", ID: "1", Source: "/shop", Type: "com.example.order.placed",
		Data: []byte(`{"total":12}`), Origin: "unauthenticated",
	}
	with := func(change func(*event.Event)) *event.Event {
		e := *shop
		change(&e)
		return &e
	}
	binary := map[string]string{"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/shop", "ce-type": "com.example.order.placed"}
	cases := map[string]struct {
		request request
		want    []*event.Event
	}{
		"structured": {request{body: orderPlaced("1")}, []*event.Event{shop}},
		"structured, with a charset": {
			request{contentType: structured + "; charset=UTF-8", body: orderPlaced("1")}, []*event.Event{shop},
		},
		"binary": {
			request{contentType: plain, header: binary, body: `{"total":12}`},
			[]*event.Event{with(func(e *event.Event) { e.DataContentType = plain })},
		},
		"binary, with text": {
			request{contentType: "text/plain; charset=iso-8859-1", header: binary, body: "twelve"},
			[]*event.Event{with(func(e *event.Event) {
				e.DataContentType, e.Data = "text/plain; charset=iso-8859-1", []byte("twelve")
			})},
		},
		"binary, with percent-encoded attributes": {
			request{contentType: plain, body: `{"total":12}`, header: map[string]string{
				"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/shop", "ce-type": "com.example.order.placed",
				"ce-subject": "caf%C3%A9%20%E2%82%AC", "ce-extra": "%22x%22",
			}},
			[]*event.Event{with(func(e *event.Event) {
				e.DataContentType, e.Subject, e.Extensions = plain, "café €", map[string]any{"extra": `"x"`}
			})},
		},
		"a batch": {
			request{contentType: batch, body: "[" + orderPlaced("1") + "," + orderPlaced("2") + "]"},
			[]*event.Event{shop, with(func(e *event.Event) { e.ID = "2" })},
		},
		"an empty batch": {request{contentType: batch, body: "[]"}, nil},
		"plain JSON with the type in the path": {
			request{path: path + "/com.example.order.placed", contentType: plain, body: `{"total":12}`, header: map[string]string{
				ingest.HeaderID: "1", ingest.HeaderSource: "/shop",
			}},
			[]*event.Event{with(func(e *event.Event) { e.DataContentType = plain })},
		},
		"plain JSON with the type in a header": {
			request{contentType: "application/vnd.shop+json", body: `{"total":12}`, header: map[string]string{
				ingest.HeaderType: "com.example.order.placed", ingest.HeaderID: "1", ingest.HeaderSubject: "orders/1",
			}},
			[]*event.Event{with(func(e *event.Event) {
				e.DataContentType, e.Subject, e.Source = plain, "orders/1", path
			})},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			l := openLog(t, eventlog.Options{})
			got := send(t, newHandler(t, ingest.Options{Log: l}), tc.request).want(t, http.StatusAccepted)
			if got.Accepted != len(tc.want) || got.Duplicates != 0 || got.replayed() {
				t.Errorf("accepted %d, duplicates %d, replayed %t", got.Accepted, got.Duplicates, got.replayed())
			}
			stored := storedEvents(t, l)
			for i, e := range stored {
				if got.IDs[i] != e.ID {
					t.Errorf("answered id %s, stored %s", got.IDs[i], e.ID)
				}
				if tc.request.header[ingest.HeaderID] != "" {
					e.Time = time.Time{} // set by ingest
				}
			}
			if diff := cmp.Diff(tc.want, stored); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
		})
	}
}

// guard lets the token "good" pass as a user who may post to team-a.
type guard struct{ username string }

func (g guard) Pass(_ context.Context, token, namespace string) (string, error) {
	switch {
	case token == "busy":
		return "", problem.Unavailable.New("ask later").After(time.Second)
	case token != "good":
		return "", problem.Unauthenticated.New("unknown token").With("WWW-Authenticate", problem.Challenge)
	case namespace != "team-a":
		return "", problem.Forbidden.New("no right there")
	}
	return g.username, nil
}

// noRoom is a quota that is used up.
type noRoom struct{}

func (noRoom) Admit(string, int, int) (time.Duration, bool) { return 1500 * time.Millisecond, false }
func (noRoom) Return(string, int)                           {}

func deep(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func TestHandler_AnswersEachFaultWithItsStatus(t *testing.T) {
	l := openLog(t, eventlog.Options{})
	good := map[string]string{"Authorization": "bearer good"}
	and := func(name, value string) map[string]string {
		return map[string]string{"Authorization": "Bearer good", name: value}
	}
	event := func(member string) string { return strings.TrimSuffix(orderPlaced("1"), "}") + "," + member + "}" }
	at := func(i int) *int { return &i }
	cases := map[string]struct {
		options    ingest.Options
		request    request
		wantStatus int
		wantType   string
		wantIndex  *int
		wantHeader map[string]string
	}{
		"no JSON":                  {request: request{body: "{"}, wantStatus: 400, wantType: "invalid-event"},
		"no id":                    {request: request{body: `{"specversion":"1.0","source":"/s","type":"t"}`}, wantStatus: 400, wantType: "invalid-event"},
		"a control character":      {request: request{body: orderPlaced("a\\u0007b")}, wantStatus: 400, wantType: "invalid-event"},
		"data nested 65 deep":      {request: request{body: strings.Replace(orderPlaced("1"), `{"total":12}`, deep(65), 1)}, wantStatus: 400, wantType: "invalid-event"},
		"a fault in a batch":       {request: request{contentType: batch, body: "[" + orderPlaced("1") + ",{}]"}, wantStatus: 400, wantType: "invalid-event", wantIndex: at(1)},
		"binary without version":   {request: request{contentType: plain, header: and("ce-id", "1")}, wantStatus: 400, wantType: "invalid-event"},
		"plain JSON without type":  {request: request{contentType: plain, body: "{}"}, wantStatus: 400, wantType: "bad-request"},
		"two different types":      {request: request{path: path + "/a", contentType: plain, body: "{}", header: and(ingest.HeaderType, "b")}, wantStatus: 400, wantType: "bad-request"},
		"a CloudEvent with a type": {request: request{path: path + "/a", body: orderPlaced("1")}, wantStatus: 400, wantType: "bad-request"},
		"an empty key":             {request: request{body: orderPlaced("1"), header: and(ingest.HeaderKey, "")}, wantStatus: 400, wantType: "bad-request"},
		"a key of 256 characters":  {request: request{body: orderPlaced("1"), header: and(ingest.HeaderKey, strings.Repeat("k", 256))}, wantStatus: 400, wantType: "bad-request"},
		"a key that is no ASCII":   {request: request{body: orderPlaced("1"), header: and(ingest.HeaderKey, "schlüssel")}, wantStatus: 400, wantType: "bad-request"},
		"no namespace's name":      {request: request{path: "/v1/namespaces/Team_A/events"}, wantStatus: 400, wantType: "bad-request"},
		"no token":                 {request: request{header: map[string]string{"Authorization": ""}}, wantStatus: 401, wantType: "unauthenticated", wantHeader: map[string]string{"WWW-Authenticate": problem.Challenge}},
		"basic authentication":     {request: request{header: map[string]string{"Authorization": "Basic good"}}, wantStatus: 401, wantType: "unauthenticated", wantHeader: map[string]string{"WWW-Authenticate": problem.Challenge}},
		"an unknown token":         {request: request{header: map[string]string{"Authorization": "Bearer bad"}}, wantStatus: 401, wantType: "unauthenticated", wantHeader: map[string]string{"WWW-Authenticate": problem.Challenge}},
		"another namespace":        {request: request{path: "/v1/namespaces/team-b/events", body: orderPlaced("1")}, wantStatus: 403, wantType: "forbidden"},
		"a reserved type":          {request: request{body: strings.Replace(orderPlaced("1"), "com.example.", "dev.posthorn.", 1)}, wantStatus: 403, wantType: "reserved"},
		"a reserved attribute":     {request: request{body: event(`"posthornorigin":"receiver:github"`)}, wantStatus: 403, wantType: "reserved"},
		"another path":             {request: request{path: "/v1/namespaces/team-a/event"}, wantStatus: 404, wantType: "not-found"},
		"a path behind the type":   {request: request{path: path + "/a/b"}, wantStatus: 404, wantType: "not-found"},
		"an empty type":            {request: request{path: path + "/"}, wantStatus: 404, wantType: "not-found"},
		"another method":           {request: request{method: http.MethodGet}, wantStatus: 405, wantType: "method-not-allowed", wantHeader: map[string]string{"Allow": "POST"}},
		"an event above 1 MiB":     {request: request{body: strings.Repeat(" ", 1<<20) + orderPlaced("1")}, wantStatus: 413, wantType: "too-large"},
		"a batch above 4 MiB":      {request: request{contentType: batch, body: strings.Repeat(" ", 4<<20) + "[]"}, wantStatus: 413, wantType: "too-large"},
		"attributes above 16 KiB":  {request: request{body: event(`"subject":"` + strings.Repeat("s", 16<<10) + `"`)}, wantStatus: 413, wantType: "too-large"},
		"1,001 events":             {request: request{contentType: batch, body: "[" + strings.Repeat(orderPlaced("1")+",", 1000) + orderPlaced("1") + "]"}, wantStatus: 413, wantType: "too-large"},
		"another content type":     {request: request{contentType: "text/plain", body: "x"}, wantStatus: 415, wantType: "unsupported-media-type", wantHeader: map[string]string{"Accept-Post": "application/cloudevents+json, application/cloudevents-batch+json, application/json"}},
		"CloudEvents in Avro":      {request: request{contentType: "application/cloudevents+avro", body: "x"}, wantStatus: 415, wantType: "unsupported-media-type"},
		"JSON in Latin-1":          {request: request{contentType: structured + "; charset=iso-8859-1", body: orderPlaced("1")}, wantStatus: 415, wantType: "unsupported-media-type"},
		"a compressed body":        {request: request{body: orderPlaced("1"), header: and("Content-Encoding", "gzip")}, wantStatus: 415, wantType: "unsupported-content-encoding", wantHeader: map[string]string{"Accept-Encoding": "identity"}},
		"no room":                  {options: ingest.Options{Quota: noRoom{}}, request: request{body: orderPlaced("1")}, wantStatus: 429, wantType: "over-share", wantHeader: map[string]string{"Retry-After": "2"}},
		"a busy API server":        {request: request{header: map[string]string{"Authorization": "Bearer busy"}}, wantStatus: 503, wantType: "unavailable", wantHeader: map[string]string{"Retry-After": "1"}},
		"a dispatcher not ready":   {options: ingest.Options{Ready: func() error { return errors.New("the engine is being opened") }}, request: request{body: orderPlaced("1")}, wantStatus: 503, wantType: "unavailable", wantHeader: map[string]string{"Retry-After": "5"}},
		"too much at once":         {options: ingest.Options{BodyMemory: 10}, request: request{body: orderPlaced("1")}, wantStatus: 503, wantType: "unavailable", wantHeader: map[string]string{"Retry-After": "1"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.options.Log, tc.options.Access = l, guard{"jane"}
			if _, ok := tc.request.header["Authorization"]; !ok {
				header := map[string]string{"Authorization": good["Authorization"]}
				maps.Copy(header, tc.request.header)
				tc.request.header = header
			}
			got := send(t, newHandler(t, tc.options), tc.request).want(t, tc.wantStatus)
			if want := "https://posthorn.dev/problems/" + tc.wantType; got.refusal.Type != want {
				t.Errorf("type %s, want %s", got.refusal.Type, want)
			}
			if diff := cmp.Diff(tc.wantIndex, got.refusal.Index); diff != "" {
				t.Errorf("index (-want +got):\n%s", diff)
			}
			for name, value := range tc.wantHeader {
				if got := got.header.Get(name); got != value {
					t.Errorf("%s: %s, want %s", name, got, value)
				}
			}
		})
	}
	if stored := storedEvents(t, l); len(stored) != 0 {
		t.Errorf("%d events of refused requests are stored", len(stored))
	}
}

func TestHandler_RefusesUntilItHasReadTheLog(t *testing.T) {
	h := unrecovered(t, ingest.Options{})
	got := send(t, h, request{body: orderPlaced("1")}).want(t, http.StatusServiceUnavailable)
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if err := h.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	send(t, h, request{body: orderPlaced("1")}).want(t, http.StatusAccepted)
}

func TestHandler_KeepsWhoSentAnEvent(t *testing.T) {
	cases := map[string]struct{ username, want string }{
		"a ServiceAccount": {"system:serviceaccount:team-b:shop", "serviceaccount:team-b:shop"},
		"a user":           {"jane@example.com", "user:jane@example.com"},
		"a user who would like to be somebody else": {"serviceaccount:team-b:shop", "user:serviceaccount:team-b:shop"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			l := openLog(t, eventlog.Options{})
			h := newHandler(t, ingest.Options{Log: l, Access: guard{tc.username}})
			send(t, h, request{body: orderPlaced("1"), header: map[string]string{"Authorization": "Bearer good"}}).
				want(t, http.StatusAccepted)
			if got := storedEvents(t, l)[0].Origin; got != tc.want {
				t.Errorf("origin %s, want %s", got, tc.want)
			}
		})
	}
}

func TestHandler_AnswersUnavailableWhenTheLogIsFull(t *testing.T) {
	l := openLog(t, eventlog.Options{MaxBytes: 1 << 20})
	h := newHandler(t, ingest.Options{Log: l})
	body := func(i int) string {
		return strings.Replace(orderPlaced(strconv.Itoa(i)), "12", `"`+strings.Repeat("x", 64<<10)+`"`, 1)
	}
	taken := 0
	for ; taken < 100; taken++ {
		got := send(t, h, request{body: body(taken)})
		if got.status == http.StatusAccepted {
			continue
		}
		got.want(t, http.StatusServiceUnavailable)
		if got.header.Get("Retry-After") == "" || !strings.Contains(got.refusal.Detail, "full") {
			t.Errorf("Retry-After %q, detail %q", got.header.Get("Retry-After"), got.refusal.Detail)
		}
		break
	}
	if taken == 0 || taken == 100 {
		t.Fatalf("%d events were taken, want some", taken)
	}
	if err := l.TrimEvents(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	send(t, h, request{body: body(taken)}).want(t, http.StatusAccepted)
}

func TestHandler_AnswersUnavailableWhenTheLogIsSlow(t *testing.T) {
	l := hold(openLog(t, eventlog.Options{}))
	h := newHandler(t, ingest.Options{Log: l, AppendTimeout: time.Millisecond})
	got := send(t, h, request{body: orderPlaced("1")}).want(t, http.StatusServiceUnavailable)
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	l.letGo()
}

func TestHandler_CountsRequestsAndEvents(t *testing.T) {
	registry := prometheus.NewRegistry()
	h := newHandler(t, ingest.Options{Registerer: registry})
	send(t, h, request{body: orderPlaced("1")}).want(t, http.StatusAccepted)
	send(t, h, request{contentType: batch, body: "[" + orderPlaced("1") + "," + orderPlaced("2") + "]"}).want(t, http.StatusAccepted)
	send(t, h, request{body: "{"}).want(t, http.StatusBadRequest)
	want := `
# HELP posthorn_ingest_dedup_window_entries Events whose source and id are remembered.
# TYPE posthorn_ingest_dedup_window_entries gauge
posthorn_ingest_dedup_window_entries 2
# HELP posthorn_ingest_events_total Events by result: accepted (stored), duplicate (stored before), refused (a refused request without readable events counts as one).
# TYPE posthorn_ingest_events_total counter
posthorn_ingest_events_total{result="accepted"} 2
posthorn_ingest_events_total{result="duplicate"} 1
posthorn_ingest_events_total{result="refused"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want),
		"posthorn_ingest_dedup_window_entries", "posthorn_ingest_events_total"); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(registry, "posthorn_ingest_requests_total"); err != nil || n != 14 {
		t.Errorf("%d codes (%v), want 14: every one is there from the start", n, err)
	}
}

func TestHandler_CountsIdempotencyKeysThatFoundNoRoom(t *testing.T) {
	registry := prometheus.NewRegistry()
	h := newHandler(t, ingest.Options{Log: openLog(t, eventlog.Options{MaxKeys: 2}), Registerer: registry})
	keyed := func(key string) *reply {
		return send(t, h, request{
			path: path + "/t", contentType: plain, body: "{}",
			header: map[string]string{ingest.HeaderKey: key, ingest.HeaderID: "of " + key},
		}).want(t, http.StatusAccepted)
	}
	for _, key := range []string{"1", "2", "3", "3", "4", "5"} {
		keyed(key)
	}
	const name = "posthorn_ingest_idempotency_key_evictions_total"
	want := `
# HELP ` + name + ` Idempotency-Keys that were forgotten before their 24 hours, for want of room.
# TYPE ` + name + ` counter
` + name + ` 3
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), name); err != nil {
		t.Error(err)
	}
}

func TestNew_RefusesOptionsThatMakeNoSense(t *testing.T) {
	l := openLog(t, eventlog.Options{})
	cases := map[string]ingest.Options{
		"no log":                            {AllowUnauthenticated: true},
		"no access":                         {Log: l},
		"access and a switch to do without": {Log: l, Access: guard{}, AllowUnauthenticated: true},
		"a window below 10 minutes":         {Log: l, AllowUnauthenticated: true, Window: time.Minute},
	}
	for name, o := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := ingest.New(o); err == nil {
				t.Error("they were taken")
			}
		})
	}
}
