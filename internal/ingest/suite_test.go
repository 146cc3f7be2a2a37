// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/ingest"
	"github.com/posthorn-dev/posthorn/internal/problem"
)

// TestMain ignores one goroutine: a read of the engine that got all there is ends only at its time-out.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/nats-io/nats.go/jetstream.(*pullConsumer).fetch.func1"))
}

// openLog starts an engine in dir that ends with the test.
func openLog(t testing.TB, o eventlog.Options) *eventlog.Log {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	o.Logger = slog.New(slog.DiscardHandler)
	l, err := eventlog.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// newHandler returns a recovered handler. Without a Log it opens one, without Access it lets everybody in.
func newHandler(t testing.TB, o ingest.Options) *ingest.Handler {
	t.Helper()
	h := unrecovered(t, o)
	if err := h.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

func unrecovered(t testing.TB, o ingest.Options) *ingest.Handler {
	t.Helper()
	if o.Log == nil {
		o.Log = openLog(t, eventlog.Options{})
	}
	o.AllowUnauthenticated = o.Access == nil
	o.Logger = slog.New(slog.DiscardHandler)
	h, err := ingest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Paths and content types of requests.
const (
	path       = "/v1/namespaces/team-a/events"
	structured = "application/cloudevents+json"
	batch      = "application/cloudevents-batch+json"
	plain      = "application/json"
)

// orderPlaced returns a structured event with that id.
func orderPlaced(id string) string {
	return `{"specversion":"1.0","id":"` + id + `","source":"/shop","type":"com.example.order.placed","data":{"total":12}}`
}

// request is one request of a test; zero fields mean POST, path and structured.
type request struct {
	method, path, contentType, body string
	header                          map[string]string
}

func (r request) build(ctx context.Context) *http.Request {
	if r.method == "" {
		r.method = http.MethodPost
	}
	if r.path == "" {
		r.path = path
	}
	if r.contentType == "" {
		r.contentType = structured
	}
	built := httptest.NewRequestWithContext(ctx, r.method, r.path, strings.NewReader(r.body))
	built.Header.Set("Content-Type", r.contentType)
	for name, value := range r.header {
		built.Header.Set(name, value)
	}
	return built
}

// accepted is the JSON of an answer of 202.
type accepted struct {
	Accepted   int      `json:"accepted"`
	Duplicates int      `json:"duplicates"`
	IDs        []string `json:"ids"`
}

// refusal is the JSON of a problem.
type refusal struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Index     *int   `json:"index"`
	Attribute string `json:"attribute"`
	// Violations are those of the data at fault.
	Violations []problem.Violation `json:"violations"`
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	accepted
	refusal refusal
}

// replayed reports whether the answer says that everything was stored before.
func (r *reply) replayed() bool { return r.header.Get(ingest.HeaderReplayed) == "true" }

// send serves one request and checks that the answer has the form that belongs to its status.
func send(t testing.TB, h http.Handler, r request) *reply {
	t.Helper()
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, r.build(t.Context()))
	return read(t, recorder.Code, recorder.Header(), recorder.Body)
}

func read(t testing.TB, status int, header http.Header, content io.Reader) *reply {
	t.Helper()
	body, err := io.ReadAll(content)
	if err != nil {
		t.Fatal(err)
	}
	r := &reply{status: status, header: header}
	var into any = &r.refusal
	want := problem.ContentType
	if r.status == http.StatusAccepted {
		into, want = &r.accepted, plain
	}
	if got := header.Get("Content-Type"); got != want {
		t.Errorf("status %d with content type %s, want %s", r.status, got, want)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("answer %s: %v", body, err)
	}
	if r.status != http.StatusAccepted && (r.refusal.Status != r.status || r.refusal.Detail == "" ||
		r.refusal.Title == "" || !strings.HasPrefix(r.refusal.Type, "https://posthorn.dev/problems/")) {
		t.Errorf("incomplete problem %s with status %d", body, r.status)
	}
	return r
}

// want fails the test unless the answer has the status.
func (r *reply) want(t testing.TB, status int) *reply {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.refusal.Detail)
	}
	return r
}

// storedEvents returns all events of the log.
func storedEvents(t testing.TB, l ingest.Log) []*event.Event {
	t.Helper()
	var events []*event.Event
	_, err := l.RecentEvents(t.Context(), 0, time.Time{}, 1_000_000, func(m eventlog.Message) {
		e, err := event.DecodeRecord(m.Data)
		if err != nil {
			t.Error(err)
			return
		}
		events = append(events, e)
	})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// heldLog is the real log whose appends wait until they are let go.
type heldLog struct {
	ingest.Log
	started chan struct{} // one element for each append that waits
	release chan struct{} // closed to let all go
	once    sync.Once
}

func hold(l ingest.Log) *heldLog {
	return &heldLog{Log: l, started: make(chan struct{}, 100), release: make(chan struct{})}
}

func (l *heldLog) letGo() { l.once.Do(func() { close(l.release) }) }

func (l *heldLog) Append(ctx context.Context, namespace string, records [][]byte) ([]uint64, error) {
	l.started <- struct{}{}
	select {
	case <-l.release:
		return l.Log.Append(ctx, namespace, records)
	case <-ctx.Done():
		return make([]uint64, len(records)), eventlog.ErrUnavailable
	}
}
