// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package logapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/deliverylog"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/logapi"
)

// page is the JSON of a page, as far as most tests look at it.
type page struct {
	Items []struct {
		EventID    string `json:"eventID"`
		DeliveryID string `json:"deliveryID"`
	} `json:"items"`
	Next string `json:"next"`
}

func (p page) events() []string {
	ids := []string{}
	for _, item := range p.Items {
		ids = append(ids, item.EventID)
	}
	return ids
}

func TestHandler_FiltersDeliveries(t *testing.T) {
	h := newHandler(t, fill(t))
	minute := func(i int) string {
		return url.QueryEscape(began.Add(time.Duration(i) * time.Minute).Format(time.RFC3339))
	}
	cases := map[string]struct {
		query string
		want  []string
	}{
		"everything, newest first":      {"", []string{"e6", "e5", "e4", "e2", "e1"}},
		"of a subscription":             {"subscription=orders", []string{"e6", "e2", "e1"}},
		"to an endpoint":                {"endpoint=billing", []string{"e6", "e5", "e2", "e1"}},
		"to another namespace's":        {"endpoint=platform/audit", []string{"e4"}},
		"of an event":                   {"event=e2", []string{"e2"}},
		"of an event of somebody else":  {"event=e3", []string{}},
		"with an outcome":               {"outcome=Parked", []string{"e5"}},
		"since a time, included":        {"since=" + minute(4), []string{"e6", "e5", "e4"}},
		"until a time, excluded":        {"until=" + minute(4), []string{"e2", "e1"}},
		"since so long ago":             {"since=24h", []string{"e6", "e5", "e4", "e2", "e1"}},
		"with several filters together": {"subscription=orders&outcome=Delivered&since=" + minute(2), []string{"e6"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := getJSON[page](t, h, "/v1/namespaces/team-a/deliveries?"+tc.query, "reader")
			if diff := cmp.Diff(tc.want, got.events()); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHandler_PagesThroughDeliveries(t *testing.T) {
	h := newHandler(t, fill(t))
	var got []string
	path := "/v1/namespaces/team-a/deliveries?limit=2"
	for cursor := ""; ; {
		p := getJSON[page](t, h, path+cursor, "reader")
		got = append(got, p.events()...)
		if p.Next == "" {
			break
		}
		cursor = "&cursor=" + url.QueryEscape(p.Next)
	}
	if diff := cmp.Diff([]string{"e6", "e5", "e4", "e2", "e1"}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestHandler_ShowsAllOfAnAttempt(t *testing.T) {
	h := newHandler(t, fill(t))
	got := getJSON[struct{ Items []map[string]any }](t, h, "/v1/namespaces/team-a/deliveries?event=e2", "reader")
	at := began.Add(2 * time.Minute)
	want := []map[string]any{{
		"time": at.Format(time.RFC3339), "deliveryID": delivery.ID(newEvent("team-a", 2), orders, delivery.KindEvent),
		"eventID": "e2", "eventType": "com.example.order.placed", "subscription": "team-a/orders", "endpoint": "team-a/billing",
		"attempt": 1.0, "outcome": "Retry", "statusCode": 500.0, "reason": "Status5xx", "message": "The endpoint answered 500.",
		"response": "oops", "durationMilliseconds": 1.5, "nextAttemptTime": at.Add(5 * time.Second).Format(time.RFC3339),
	}}
	if diff := cmp.Diff(want, got.Items); diff != "" {
		t.Errorf("attempt (-want +got):\n%s", diff)
	}
}

func TestHandler_ListsDeadLettersWithTheirReason(t *testing.T) {
	h := newHandler(t, fill(t))
	got := getJSON[struct{ Items []map[string]any }](t, h, "/v1/namespaces/team-a/deadletters", "reader")
	if len(got.Items) != 1 || got.Items[0]["eventID"] != "e7" || got.Items[0]["deadLetterReason"] != "RetriesExhausted" ||
		got.Items[0]["subscription"] != "team-a/orders" {
		t.Errorf("dead letters %v", got.Items)
	}
}

func TestHandler_ReturnsTheEventOfADelivery(t *testing.T) {
	h := newHandler(t, fill(t))
	for _, i := range []int{1, 7} { // one of the event log, and a dead letter
		want := newEvent("team-a", i)
		id := delivery.ID(want, orders, delivery.KindEvent)
		answer := get(t, h, "/v1/namespaces/team-a/deliveries/"+id+"/event", "auditor")
		if answer.status != http.StatusOK || answer.header.Get("Content-Type") != "application/cloudevents+json" {
			t.Fatalf("status %d, content type %s: %s", answer.status, answer.header.Get("Content-Type"), answer.body)
		}
		got, err := event.ParseStructured("team-a", answer.body)
		if err != nil {
			t.Fatal(err)
		}
		want.Origin = "" // never sent out
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("event (-want +got):\n%s", diff)
		}
	}
}

func TestHandler_ShowsCircuits(t *testing.T) {
	h := newHandler(t, fill(t))
	open := map[string]any{
		"endpoint": "team-a/billing", "scope": "Endpoint", "state": "Open", "since": began.Format(time.RFC3339),
		"consecutiveFailures": 5.0, "openForSeconds": 30.0, "nextProbeTime": began.Add(30 * time.Second).Format(time.RFC3339),
	}
	closed := map[string]any{
		"endpoint": "platform/audit", "scope": "Host", "state": "Closed", "since": began.Format(time.RFC3339),
		"consecutiveFailures": 0.0,
	}
	cases := map[string]struct {
		path, token string
		want        []map[string]any
	}{
		"of a namespace":                 {"/v1/namespaces/team-a/circuits", "reader", []map[string]any{open}},
		"of a namespace, by a parameter": {"/circuits?namespace=team-a", "reader", []map[string]any{open}},
		"of all namespaces":              {"/circuits", "admin", []map[string]any{open, closed}},
		"of a namespace without any":     {"/circuits?namespace=team-c", "admin", []map[string]any{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := getJSON[struct{ Items []map[string]any }](t, h, tc.path, tc.token)
			if diff := cmp.Diff(tc.want, got.Items); diff != "" {
				t.Errorf("circuits (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHandler_RefusesWhatItShouldNotAnswer(t *testing.T) {
	h := newHandler(t, fill(t))
	known := delivery.ID(newEvent("team-a", 1), orders, delivery.KindEvent)
	elsewhere := delivery.ID(newEvent("team-b", 3), foreign, delivery.KindEvent)
	deliveries := "/v1/namespaces/team-a/deliveries"
	cases := map[string]struct {
		path, token   string
		wantStatus    int
		wantAttribute string
	}{
		"no token":                         {deliveries, "", 401, ""},
		"an unknown token":                 {deliveries, "stranger", 401, ""},
		"another namespace":                {"/v1/namespaces/team-b/deliveries", "reader", 403, ""},
		"another namespace's dead letters": {"/v1/namespaces/team-b/deadletters", "reader", 403, ""},
		"another namespace's circuits":     {"/circuits?namespace=team-b", "reader", 403, ""},
		"all circuits":                     {"/circuits", "reader", 403, ""},
		"an event without the right to it": {deliveries + "/" + known + "/event", "reader", 403, ""},
		"an event of another namespace":    {deliveries + "/" + elsewhere + "/event", "auditor", 404, ""},
		"an unknown delivery":              {deliveries + "/msg_0/event", "auditor", 404, ""},
		"a delivery without its event":     {deliveries + "/" + known, "auditor", 404, ""},
		"no path of the log":               {"/v1/namespaces/team-a/attempts", "reader", 404, ""},
		"all namespaces by a wildcard":     {"/v1/namespaces/*/deliveries", "admin", 400, "namespace"},
		"a namespace with a slash":         {"/v1/namespaces/team-a%2Fx/deliveries", "admin", 400, "namespace"},
		"circuits of a wildcard":           {"/circuits?namespace=*", "admin", 400, "namespace"},
		"an unknown parameter":             {deliveries + "?subscribtion=orders", "reader", 400, "subscribtion"},
		"a parameter twice":                {deliveries + "?event=a&event=b", "reader", 400, "event"},
		"an empty parameter":               {deliveries + "?event=", "reader", 400, "event"},
		"a malformed query":                {deliveries + "?event=%zz", "reader", 400, ""},
		"a limit of 0":                     {deliveries + "?limit=0", "reader", 400, "limit"},
		"a limit of 1,001":                 {deliveries + "?limit=1001", "reader", 400, "limit"},
		"an unknown outcome":               {deliveries + "?outcome=delivered", "reader", 400, "outcome"},
		"a date without a time":            {deliveries + "?since=2026-01-02", "reader", 400, "since"},
		"a time to come":                   {deliveries + "?until=-5m", "reader", 400, "until"},
		"a time span of nothing":           {deliveries + "?since=5m&until=5m", "reader", 400, "until"},
		"a cursor of somebody's own":       {deliveries + "?cursor=abc", "reader", 400, "cursor"},
		"a parameter for an event":         {deliveries + "/" + known + "/event?limit=1", "auditor", 400, "limit"},
		"a parameter for circuits":         {"/circuits?state=Open", "admin", 400, "state"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			answer := get(t, h, tc.path, tc.token)
			if answer.status != tc.wantStatus {
				t.Fatalf("status %d, want %d: %s", answer.status, tc.wantStatus, answer.body)
			}
			var refusal struct{ Attribute string }
			if err := json.Unmarshal(answer.body, &refusal); err != nil {
				t.Fatal(err)
			}
			if refusal.Attribute != tc.wantAttribute {
				t.Errorf("attribute %q, want %q", refusal.Attribute, tc.wantAttribute)
			}
			if tc.wantStatus == http.StatusUnauthorized && answer.header.Get("WWW-Authenticate") == "" {
				t.Error("no WWW-Authenticate")
			}
		})
	}
}

func TestHandler_TakesGetAndHeadOnly(t *testing.T) {
	h := newHandler(t, fill(t))
	for method, want := range map[string]int{
		http.MethodHead: http.StatusOK, http.MethodPost: http.StatusMethodNotAllowed, http.MethodDelete: http.StatusMethodNotAllowed,
	} {
		r := httptest.NewRequestWithContext(t.Context(), method, "/v1/namespaces/team-a/circuits", nil)
		r.Header.Set("Authorization", "Bearer reader")
		answer := serve(t, h, r)
		if answer.status != want {
			t.Errorf("%s: status %d, want %d", method, answer.status, want)
		}
		if want == http.StatusMethodNotAllowed && answer.header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: Allow %q", method, answer.header.Get("Allow"))
		}
	}
}

// slowLog is a log whose queries take until they are given up, or fail.
type slowLog struct {
	logapi.Deliveries
	err error
}

func (l slowLog) Query(ctx context.Context, _ deliverylog.Query) (deliverylog.Page, error) {
	if l.err != nil {
		return deliverylog.Page{}, l.err
	}
	<-ctx.Done()
	return deliverylog.Page{}, ctx.Err()
}

func TestHandler_AnswersUnavailableWhenTheLogIs(t *testing.T) {
	cases := map[string]struct {
		log  slowLog
		want int
	}{
		"too slow":              {slowLog{}, http.StatusServiceUnavailable},
		"away":                  {slowLog{err: fmt.Errorf("read: %w", eventlog.ErrUnavailable)}, http.StatusServiceUnavailable},
		"broken in another way": {slowLog{err: errors.New("secret detail")}, http.StatusInternalServerError},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h, err := logapi.New(logapi.Options{
				Deliveries: tc.log, Circuits: circuits, AllowUnauthenticated: true, Timeout: time.Millisecond,
			})
			if err != nil {
				t.Fatal(err)
			}
			answer := get(t, h, "/v1/namespaces/team-a/deliveries", "")
			if answer.status != tc.want {
				t.Fatalf("status %d, want %d: %s", answer.status, tc.want, answer.body)
			}
			if tc.want == http.StatusServiceUnavailable && answer.header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			if tc.log.err != nil && strings.Contains(string(answer.body), tc.log.err.Error()) {
				t.Errorf("the answer tells %s", answer.body)
			}
		})
	}
}

func TestNew_RefusesOptionsThatMakeNoSense(t *testing.T) {
	log := slowLog{}
	cases := map[string]logapi.Options{
		"no log":                {Circuits: circuits, AllowUnauthenticated: true},
		"no circuits":           {Deliveries: log, AllowUnauthenticated: true},
		"no access":             {Deliveries: log, Circuits: circuits},
		"no access to events":   {Deliveries: log, Circuits: circuits, Access: guard{}},
		"access and none of it": {Deliveries: log, Circuits: circuits, Access: guard{}, EventAccess: guard{}, AllowUnauthenticated: true},
	}
	for name, o := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := logapi.New(o); err == nil {
				t.Error("they were taken")
			}
		})
	}
}

// FuzzHandler asks with arbitrary query strings: each is answered, and never with a fault of the server.
func FuzzHandler(f *testing.F) {
	f.Add("subscription=orders&since=5m&limit=3")
	f.Add("cursor=MS4w&outcome=Retry")
	f.Add("until=2026-01-02T15:04:05%2B01:00&%00=")
	h, err := logapi.New(logapi.Options{Deliveries: emptyLog{}, Circuits: circuits, AllowUnauthenticated: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/namespaces/team-a/deliveries", nil)
		r.URL.RawQuery = query
		answer := serve(t, h, r)
		if answer.status >= http.StatusInternalServerError || !json.Valid(answer.body) {
			t.Errorf("status %d: %s", answer.status, answer.body)
		}
	})
}

// emptyLog has no records.
type emptyLog struct{ logapi.Deliveries }

func (emptyLog) Query(context.Context, deliverylog.Query) (deliverylog.Page, error) {
	return deliverylog.Page{}, nil
}
