// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package logapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/deliverylog"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/logapi"
	"github.com/posthorn-dev/posthorn/internal/problem"
)

// TestMain ignores one goroutine: a read of the engine that got all there is ends only at its time-out.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/nats-io/nats.go/jetstream.(*pullConsumer).fetch.func1"))
}

// began is the time of the first attempt in the log; each event is a minute younger than the one before.
var began = time.Now().Add(-time.Hour).Truncate(time.Second).UTC()

// Names in the log of the tests.
var (
	orders  = delivery.Name{Namespace: "team-a", Name: "orders"}
	refunds = delivery.Name{Namespace: "team-a", Name: "refunds"}
	foreign = delivery.Name{Namespace: "team-b", Name: "orders"}
	billing = delivery.Name{Namespace: "team-a", Name: "billing"}
	shared  = delivery.Name{Namespace: "platform", Name: "audit"}
)

// newEvent returns event number i of a namespace.
func newEvent(namespace string, i int) *event.Event {
	return &event.Event{
		Namespace: namespace, ID: fmt.Sprintf("e%d", i), Source: "/shop", Type: "com.example.order.placed",
		DataContentType: "application/json", Data: fmt.Appendf(nil, `{"total":%d}`, i), Origin: "user:jane",
	}
}

// record returns the record of an attempt with the event of its subscription's namespace.
func record(subscription, endpoint delivery.Name, i int, outcome delivery.Outcome) delivery.Record {
	e := newEvent(subscription.Namespace, i)
	r := delivery.Record{
		Subscription: subscription, Endpoint: endpoint, EventID: e.ID, EventType: e.Type,
		DeliveryID: delivery.ID(e, subscription, delivery.KindEvent), Attempt: 1, Attempted: true,
		Time: began.Add(time.Duration(i) * time.Minute), Duration: 1500 * time.Microsecond, Outcome: outcome,
		StatusCode: http.StatusOK,
	}
	if outcome == delivery.OutcomeRetry {
		r.StatusCode, r.Reason = http.StatusInternalServerError, delivery.ReasonStatus5xx
		r.Message, r.Response = "The endpoint answered 500.", "oops"
		r.NextAttempt = r.Time.Add(5 * time.Second)
	}
	return r
}

// fill opens a log with five attempts of team-a, one of team-b and a dead letter of each.
func fill(t *testing.T) *deliverylog.Log {
	t.Helper()
	engine, err := eventlog.Open(t.Context(), eventlog.Options{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	log, last := deliverylog.New(engine), uint64(0)
	for _, r := range []delivery.Record{
		record(orders, billing, 1, delivery.OutcomeDelivered),
		record(orders, billing, 2, delivery.OutcomeRetry),
		record(foreign, billing, 3, delivery.OutcomeDelivered),
		record(refunds, shared, 4, delivery.OutcomeDelivered),
		record(refunds, billing, 5, delivery.OutcomeParked),
		record(orders, billing, 6, delivery.OutcomeDelivered),
	} {
		seqs, err := engine.Append(t.Context(), r.Subscription.Namespace, [][]byte{eventOf(&r).AppendRecord(nil)})
		if err != nil {
			t.Fatal(err)
		}
		r.EventSeq = seqs[0]
		if last, err = log.Append(t.Context(), 0, last, &deliverylog.Flush{Records: []delivery.Record{r}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, subscription := range []delivery.Name{orders, foreign} {
		storeDeadLetter(t, engine, subscription)
	}
	return log
}

// eventOf returns the event that a record is about.
func eventOf(r *delivery.Record) *event.Event {
	var i int
	if _, err := fmt.Sscanf(r.EventID, "e%d", &i); err != nil {
		panic(err)
	}
	return newEvent(r.Subscription.Namespace, i)
}

// storeDeadLetter stores event 7 as a dead letter of the subscription.
func storeDeadLetter(t *testing.T, engine *eventlog.Log, subscription delivery.Name) {
	t.Helper()
	stored := &delivery.Stored{
		EventSeq: 100, Subscription: subscription, Endpoint: billing, Attempts: 9, DeadAt: began.Add(7 * time.Minute),
		LastReason: delivery.ReasonTimeout, DeadLetter: delivery.DeadRetriesExhausted,
		Event: newEvent(subscription.Namespace, 7).AppendRecord(nil),
	}
	place := eventlog.Place{
		Namespace: subscription.Namespace, Subscription: subscription.Name,
		EndpointNamespace: billing.Namespace, EndpointName: billing.Name,
	}
	if _, err := engine.StoreDeadLetter(place, stored.Append(nil)).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// circuits returns one circuit for each namespace.
func circuits(namespace string) []logapi.CircuitView {
	all := []logapi.CircuitView{
		{Endpoint: billing, Scope: "Endpoint", Snapshot: breaker.Snapshot{
			State: breaker.Open, Since: began, ConsecutiveFailures: 5, OpenFor: 30 * time.Second,
			NextProbe: began.Add(30 * time.Second),
		}},
		{Endpoint: shared, Scope: "Host", Snapshot: breaker.Snapshot{State: breaker.Closed, Since: began}},
	}
	var wanted []logapi.CircuitView
	for _, c := range all {
		if namespace == "" || c.Endpoint.Namespace == namespace {
			wanted = append(wanted, c)
		}
	}
	return wanted
}

// guard lets tokens pass that are one of its own, in team-a; the token "admin" everywhere.
type guard []string

func (g guard) Pass(_ context.Context, token, namespace string) (string, error) {
	for _, known := range g {
		switch {
		case token != known:
		case namespace == "team-a" || token == "admin":
			return token, nil
		default:
			return "", problem.Forbidden.New("no right there")
		}
	}
	if token == "reader" {
		return "", problem.Forbidden.New("no right to that")
	}
	return "", problem.Unauthenticated.New("unknown token").With("WWW-Authenticate", problem.Challenge)
}

// newHandler returns a handler over a log. The tokens reader, auditor and admin may read deliveries,
// the last two events as well.
func newHandler(t *testing.T, log logapi.Deliveries) *logapi.Handler {
	t.Helper()
	h, err := logapi.New(logapi.Options{
		Deliveries: log, Circuits: circuits,
		Access: guard{"reader", "auditor", "admin"}, EventAccess: guard{"auditor", "admin"},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// get asks for a path with a token.
func get(t testing.TB, h http.Handler, path, token string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return serve(t, h, r)
}

func serve(t testing.TB, h http.Handler, r *http.Request) answer {
	t.Helper()
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, r)
	got := answer{status: recorder.Code, header: recorder.Header(), body: recorder.Body.Bytes()}
	if contentType := got.header.Get("Content-Type"); got.status != http.StatusOK && contentType != problem.ContentType {
		t.Errorf("status %d with content type %s", got.status, contentType)
	}
	return got
}

// getJSON asks for a path and decodes the answer, which must be 200.
func getJSON[T any](t *testing.T, h http.Handler, path, token string) T {
	t.Helper()
	got := get(t, h, path, token)
	if got.status != http.StatusOK {
		t.Fatalf("%s: status %d: %s", path, got.status, got.body)
	}
	var into T
	if err := json.Unmarshal(got.body, &into); err != nil {
		t.Fatalf("%s: %v in %s", path, err, got.body)
	}
	return into
}
