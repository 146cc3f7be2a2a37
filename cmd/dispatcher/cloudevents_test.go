// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// sdkEvents are events as the SDK of CloudEvents makes them, by name, of every kind of data and attribute. They
// have no id yet.
func sdkEvents(t *testing.T) map[string]cloudevents.Event {
	t.Helper()
	made := func(contentType string, data any, more ...func(*cloudevents.Event)) cloudevents.Event {
		e := cloudevents.New()
		e.SetSource("/shop")
		e.SetType("com.example.order.placed")
		if data != nil {
			if err := e.SetData(contentType, data); err != nil {
				t.Fatal(err)
			}
		}
		for _, set := range more {
			set(&e)
		}
		return e
	}
	everything := func(e *cloudevents.Event) {
		e.SetSource("https://shop.example.com/orders?region=eu#12")
		e.SetSubject("orders/12 of 2026, \"gift\" at 100 %, für 🌎")
		e.SetTime(time.Date(2026, 3, 31, 15, 12, 0, 123_456_789, time.FixedZone("", 2*60*60)))
		e.SetDataSchema("https://schemas.example.com/order.json")
		e.SetExtension("tenant", "team a")
		e.SetExtension("attempt", 42)
		e.SetExtension("express", true)
		e.SetExtension("deadline", types.Timestamp{Time: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)})
		e.SetExtension("thumbprint", []byte{0, 1, 0xff})
		e.SetExtension("callback", types.ParseURI("https://shop.example.com/callback"))
	}
	// Those that the conformance tests of CloudEvents send, in all but their ids.
	conformance := func(e *cloudevents.Event) {
		e.SetSource("//github.com/cloudevents/cloudeventsconformance/yaml/v1.yaml")
		e.SetType("io.cloudevents.minimum")
	}
	return map[string]cloudevents.Event{
		"conformance-1": made("text/plain; charset=us-ascii", []byte("Hello, World!\n"), conformance),
		"conformance-2": made("text/plain; charset=utf-8", []byte("Hello, 🌎!\n"), conformance),
		"conformance-3": made("application/json; charset=utf-8", []byte(`"Hello, 🌎!"`), conformance),
		"conformance-4": made("application/json; charset=utf-8", []byte(`{"msg":"Hello, 🌎!"}`), conformance),
		"conformance-5": made("application/json; charset=utf-8", []byte(`["Hello","🌎!"]`), conformance),
		"conformance-6": made("application/xml; charset=utf-8", []byte("<msg>Hello, 🌎!</msg>\n"), conformance),

		"minimum":         made("", nil),
		"everything":      made(cloudevents.ApplicationJSON, map[string]any{"total": 12, "note": "Grüße, 🌎!"}, everything),
		"without-data":    made("", nil, everything),
		"a-json-string":   made(cloudevents.ApplicationJSON, "Good day!"),
		"a-json-list":     made(cloudevents.ApplicationJSON, []int{1, 2, 3}),
		"text":            made(cloudevents.TextPlain, []byte("Good day!\n")),
		"xml":             made(cloudevents.ApplicationXML, []byte(`<order total="12">Grüße, 🌎!</order>`)),
		"bytes":           made("application/octet-stream", []byte{0, 1, 0xff}),
		"protocol-buffer": made("application/protobuf", []byte{8, 150, 1}),
	}
}

// attributes are what an event says, as text, data included.
func attributes(t *testing.T, e *cloudevents.Event) map[string]string {
	t.Helper()
	all := map[string]string{
		"specversion": e.SpecVersion(), "id": e.ID(), "source": e.Source(), "type": e.Type(), "subject": e.Subject(),
		"time": e.Time().UTC().Format(time.RFC3339Nano), "datacontenttype": e.DataContentType(),
		"dataschema": e.DataSchema(), "data": string(e.Data()),
	}
	for name, value := range e.Extensions() {
		text, err := types.Format(value)
		if err != nil {
			t.Error(err)
		}
		all[name] = text
	}
	return all
}

// arrival is an event that a receiver got, with the mode it came in.
type arrival struct {
	mode  string
	event *cloudevents.Event
	err   error
}

// newSDKReceiver runs a receiver that reads requests by the SDK of CloudEvents. That does not undo the percent-encoding
// which the HTTP binding asks for in headers.
func newSDKReceiver(t *testing.T, room int) (address string, arrivals <-chan arrival) {
	t.Helper()
	all := make(chan arrival, room)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for name, values := range r.Header {
			if text, err := url.PathUnescape(values[0]); err == nil && strings.HasPrefix(name, "Ce-") {
				values[0] = text
			}
		}
		message := cehttp.NewMessageFromHttpRequest(r)
		e, err := binding.ToEvent(r.Context(), message)
		all <- arrival{message.ReadEncoding().String(), e, err}
	}))
	t.Cleanup(server.Close)
	return server.URL, all
}

// TestDispatcher_CarriesTheEventsOfTheSDKUnchanged has the SDK of CloudEvents write events in each of the three
// modes, and read what arrives in both of those that Posthorn sends.
func TestDispatcher_CarriesTheEventsOfTheSDKUnchanged(t *testing.T) {
	events := sdkEvents(t)
	modes := []string{"binary", "structured", "batch"}
	count := 2 * len(modes) * len(events)
	address, arrivals := newSDKReceiver(t, count)
	namespace := tenant(t, "posthorn-producer")
	structured := subscribe(t, namespace, address, "whsec_"+base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))
	inBinary := &hookv1.WebhookSubscription{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "in-binary"}, Spec: *structured.Spec.DeepCopy(),
	}
	inBinary.Spec.Payload = &hookv1.Payload{Format: hookv1.PayloadFormatCloudEventsBinary}
	create(t, inBinary)
	d := startDispatcher(t, own(t))
	for _, s := range []*hookv1.WebhookSubscription{structured, inBinary} {
		awaitStatus(t, s, "the subscription is routed", func(s *hookv1.WebhookSubscriptionStatus) bool {
			return meta.IsStatusConditionTrue(s.Conditions, hookv1.ConditionRouted)
		})
	}
	eventually(t, "the process is ready", func(context.Context) (bool, error) {
		code, _ := d.do(http.MethodGet, "http://"+d.started.Health+"/readyz", "", nil, "")
		return code == http.StatusOK, nil
	})

	want := map[string]map[string]string{}
	bearer := token(t, namespace, "posthorn")
	for _, mode := range modes {
		var batch []cloudevents.Event
		for name, e := range events {
			e := e.Clone()
			e.SetID(name + "-in-" + mode)
			want[e.ID()] = attributes(t, &e)
			batch = append(batch, e)
		}
		for _, r := range requestsOf(t, mode, "http://"+d.started.Ingest+"/v1/namespaces/"+namespace+"/events", batch) {
			r.Header.Set("Authorization", "Bearer "+bearer)
			answer, err := d.http.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			if answer.StatusCode != http.StatusAccepted {
				t.Fatalf("%s: got %d for %v", mode, answer.StatusCode, r.Header)
			}
		}
	}

	seen := map[string]bool{}
	for range count {
		select {
		case a := <-arrivals:
			if a.err != nil {
				t.Fatalf("the SDK cannot read what arrived: %v", a.err)
			}
			seen[a.mode+" "+a.event.ID()] = true
			if err := a.event.Validate(); err != nil {
				t.Errorf("%s, %s: %v", a.event.ID(), a.mode, err)
			}
			if diff := cmp.Diff(want[a.event.ID()], attributes(t, a.event)); diff != "" {
				t.Errorf("%s, out %s (-want +got):\n%s", a.event.ID(), a.mode, diff)
			}
		case <-time.After(patience):
			t.Fatalf("%d of %d deliveries arrived", len(seen), count)
		}
	}
	if len(seen) != count {
		t.Errorf("%d different deliveries arrived, want %d: %v", len(seen), count, seen)
	}
}

// requestsOf are the requests that carry events in a mode, as the SDK writes them.
func requestsOf(t *testing.T, mode, address string, events []cloudevents.Event) (requests []*http.Request) {
	t.Helper()
	ctx := t.Context()
	add := func(r *http.Request, err error) {
		if err != nil {
			t.Fatal(err)
		}
		requests = append(requests, r)
	}
	switch mode {
	case "batch":
		add(cehttp.NewHTTPRequestFromEvents(ctx, address, events))
		return requests
	case "structured":
		ctx = binding.WithForceStructured(ctx)
	case "binary":
		ctx = binding.WithForceBinary(ctx)
	default:
		t.Fatalf("there is no mode %s", mode)
	}
	for _, e := range events {
		add(cehttp.NewHTTPRequestFromEvent(ctx, address, e))
	}
	return requests
}
