// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/egress"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/filter"
	"github.com/posthorn-dev/posthorn/internal/httpsend"
	"github.com/posthorn-dev/posthorn/internal/payload"
	"github.com/posthorn-dev/posthorn/internal/retry"
	"github.com/posthorn-dev/posthorn/internal/routing"
	"github.com/posthorn-dev/posthorn/internal/signing"
	"github.com/posthorn-dev/posthorn/internal/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// system is a dispatcher on a real log, with a real sender, that can be stopped and started again.
type system struct {
	t         *testing.T
	dir       string
	log       *eventlog.Log
	client    *httpsend.Client
	d         *Dispatcher
	reports   *reports
	options   func(*Options)
	endpoints []*delivery.Endpoint
	subs      []*delivery.Subscription
	accepted  int
	// maxBytes is what the log may take, and logOptions, which may be nil, changes its other options.
	maxBytes   int64
	logOptions func(*eventlog.Options)
}

// start runs a dispatcher on a fresh log.
func start(t *testing.T, options func(*Options)) *system {
	t.Helper()
	return startIn(t, t.TempDir(), options)
}

// startIn runs a dispatcher on a fresh log in the directory.
func startIn(t *testing.T, dir string, options func(*Options)) *system {
	t.Helper()
	s := &system{t: t, dir: dir, options: options, reports: newReports(), maxBytes: 256 << 20}
	s.run()
	return s
}

// run starts a dispatcher until the test ends.
func (s *system) run() {
	s.t.Helper()
	s.up()
	s.t.Cleanup(func() {
		if s.d != nil {
			s.down()
		}
	})
}

// up opens the log and starts a dispatcher on it.
func (s *system) up() {
	s.t.Helper()
	logger := slog.New(slog.DiscardHandler)
	if os.Getenv("POSTHORN_TEST_LOG") != "" {
		logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	of := eventlog.Options{Dir: s.dir, Logger: logger, MaxBytes: s.maxBytes}
	if s.logOptions != nil {
		s.logOptions(&of)
	}
	var err error
	if s.log, err = eventlog.Open(s.t.Context(), of); err != nil {
		s.t.Fatal(err)
	}
	policy, err := egress.NewPolicy(egress.Rules{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.client = httpsend.New(httpsend.Options{Policy: policy})
	o := Options{Log: s.log, Sender: s.client, Reporter: s.reports, Logger: logger}
	if s.options != nil {
		s.options(&o)
	}
	if s.d, err = New(o); err != nil {
		s.t.Fatal(err)
	}
	if err := s.d.Start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	if len(s.endpoints)+len(s.subs) > 0 {
		s.load()
	}
}

// down stops the dispatcher as SIGTERM does, and checks that its deliveries balance.
func (s *system) down() {
	s.t.Helper()
	s.eventually("the balance is even", func() bool { return s.d.Account().Unaccounted() == 0 })
	s.d.Stop()
	s.client.Close()
	s.log.Close()
	s.d = nil
}

// crash ends everything without recording what is under way, as SIGKILL does.
func (s *system) crash() {
	s.t.Helper()
	s.d.abort()
	s.d.interrupt()
	s.d.fail(io.ErrUnexpectedEOF)
	if s.d.stop != nil {
		s.d.stop()
	}
	s.d.sends.Wait()
	s.d.close()
	s.client.Close()
	s.log.Close()
	s.d = nil
}

// load gives the dispatcher the endpoints and subscriptions as they are now.
func (s *system) load() {
	s.t.Helper()
	s.loadUpdate(routing.Update{Table: routing.NewTable(s.endpoints, s.subs)})
}

func (s *system) loadUpdate(u routing.Update) {
	s.t.Helper()
	if err := s.d.Load(s.t.Context(), u); err != nil {
		s.t.Fatal(err)
	}
}

// send accepts n events of the type com.example.order.created in the namespace.
func (s *system) send(namespace string, n int) {
	s.t.Helper()
	records := make([][]byte, n)
	for i := range records {
		records[i] = s.record(namespace)
		s.d.Admit(namespace, eventlog.EventSize(namespace, len(records[i])))
	}
	if _, err := s.log.Append(s.t.Context(), namespace, records); err != nil {
		s.t.Fatal(err)
	}
}

// record is that of the next event.
func (s *system) record(namespace string) []byte {
	s.accepted++
	e := &event.Event{
		Namespace: namespace, ID: fmt.Sprintf("e%d", s.accepted), Source: "/shop", Type: "com.example.order.created",
		DataContentType: "application/json", Data: fmt.Appendf(nil, `{"total":%d}`, s.accepted),
	}
	return e.AppendRecord(nil)
}

// eventually waits for a condition, for half a minute at most.
func (s *system) eventually(what string, holds func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			s.t.Fatalf("waited in vain until %s; account %+v", what, s.d.Account())
		case <-tick.C:
		}
	}
}

// endpoint is an endpoint of the namespace at the URL, with a tight circuit breaker.
func (s *system) endpoint(namespace, name, rawURL string, change func(*delivery.Endpoint)) *delivery.Endpoint {
	s.t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		s.t.Fatal(err)
	}
	key, err := signing.ParseKey(signing.StandardWebhooks, []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
	if err != nil {
		s.t.Fatal(err)
	}
	signer, err := signing.NewSigner(signing.StandardWebhooks, signing.Headers{}, []signing.Key{key})
	if err != nil {
		s.t.Fatal(err)
	}
	e := &delivery.Endpoint{
		Name: delivery.Name{Namespace: namespace, Name: name}, UID: "uid-" + name, Generation: 1, URL: u, Host: u.Host,
		Signer: signer, Timeout: 10 * time.Second, Concurrency: 16,
		Breaker: breaker.Config{FailureThreshold: 5, OpenDuration: 20 * time.Millisecond, MaxOpenDuration: 100 * time.Millisecond, Probes: 2},
	}
	if change != nil {
		change(e)
	}
	return e
}

// subscription is a subscription of the namespace to everything of com.example.
func (s *system) subscription(namespace, name string, to delivery.Name, change func(*delivery.Subscription)) *delivery.Subscription {
	s.t.Helper()
	match, err := filter.NewMatcher([]string{"com.example.*"}, nil, "")
	if err != nil {
		s.t.Fatal(err)
	}
	plan, err := payload.NewPlan(payload.FormatCloudEvents, "")
	if err != nil {
		s.t.Fatal(err)
	}
	spec := &delivery.Subscription{
		Name: delivery.Name{Namespace: namespace, Name: name}, UID: "uid-" + name, Generation: 1, Endpoint: to, Match: match,
		Payload: plan, Retry: &retry.Policy{Delays: []time.Duration{5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond}},
	}
	if change != nil {
		change(spec)
	}
	return spec
}

// receiver is an HTTP server that records what it is sent.
type receiver struct {
	*httptest.Server
	mu sync.Mutex
	// ids counts the requests by webhook-id.
	ids map[string]int
	// answer decides on the answer; nil means 200.
	answer   func(w http.ResponseWriter, r *http.Request, n int)
	requests int
}

func newReceiver(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, n int)) *receiver {
	t.Helper()
	r := &receiver{ids: map[string]int{}, answer: answer}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

// ServeHTTP is http.Handler's.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	_, _ = io.Copy(io.Discard, req.Body)
	r.mu.Lock()
	r.requests++
	r.ids[req.Header.Get("webhook-id")]++
	n, answer := r.requests, r.answer
	r.mu.Unlock()
	if answer != nil {
		answer(w, req, n)
	}
}

// set changes how the receiver answers.
func (r *receiver) set(answer func(w http.ResponseWriter, r *http.Request, n int)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// distinct is how many deliveries arrived, and total how many requests.
func (r *receiver) distinct() (distinct, total int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ids), r.requests
}

// got reports whether n deliveries arrived.
func (r *receiver) got(n int) func() bool {
	return func() bool {
		distinct, _ := r.distinct()
		return distinct >= n
	}
}

// openLog opens the log of a system that is down, without a dispatcher, for what do does with it.
func (s *system) openLog(do func()) {
	s.t.Helper()
	var err error
	if s.log, err = eventlog.Open(s.t.Context(), eventlog.Options{Dir: s.dir, Logger: slog.New(slog.DiscardHandler), MaxBytes: s.maxBytes}); err != nil {
		s.t.Fatal(err)
	}
	defer s.log.Close()
	do()
}

// recovered hands over a dispatcher that has read the open log of the system and goes no further.
func (s *system) recovered(look func(*Dispatcher, *checkpoint)) {
	s.t.Helper()
	d, err := New(Options{Log: s.log, Sender: s.client, Reporter: s.reports, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.t.Fatal(err)
	}
	defer d.interrupt()
	defer d.abort()
	c, err := d.recover(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	look(d, &c)
}

// status answers with a status.
func answerStatus(code int) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(code) }
}

// reports remembers the last facts of each object.
type reports struct {
	mu            sync.Mutex
	endpoints     map[delivery.Name]status.EndpointFacts
	subscriptions map[delivery.Name]status.SubscriptionFacts
}

func newReports() *reports {
	return &reports{
		endpoints:     map[delivery.Name]status.EndpointFacts{},
		subscriptions: map[delivery.Name]status.SubscriptionFacts{},
	}
}

func (r *reports) UpdateEndpoint(f status.EndpointFacts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.endpoints[f.Name] = f
}

func (r *reports) UpdateSubscription(f status.SubscriptionFacts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.subscriptions[f.Name] = f
}

func (r *reports) ForgetEndpoint(name delivery.Name) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.endpoints, name)
}

func (r *reports) ForgetSubscription(name delivery.Name) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.subscriptions, name)
}

func (r *reports) endpoint(name delivery.Name) status.EndpointFacts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.endpoints[name]
}

func (r *reports) subscription(name delivery.Name) status.SubscriptionFacts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.subscriptions[name]
}

// factsOf are the facts of a subscription that are reported at the time, as if it had changed.
func (s *system) factsOf(name delivery.Name, now time.Time) status.SubscriptionFacts {
	s.t.Helper()
	return reportedOf(s, "subscription", name, func() []status.SubscriptionFacts {
		s.d.mu.Lock()
		s.d.subs[name].dirty = true
		s.d.mu.Unlock()
		_, subscriptions := s.d.facts(now)
		return subscriptions
	}, func(f status.SubscriptionFacts) delivery.Name { return f.Name })
}

// endpointFactsOf are the facts of an endpoint that are reported now, as if it had changed.
func (s *system) endpointFactsOf(name delivery.Name) status.EndpointFacts {
	s.t.Helper()
	return reportedOf(s, "endpoint", name, func() []status.EndpointFacts {
		s.d.mu.Lock()
		s.d.lanes[name].dirty = true
		s.d.mu.Unlock()
		endpoints, _ := s.d.facts(time.Now())
		return endpoints
	}, func(f status.EndpointFacts) delivery.Name { return f.Name })
}

// reportedOf are the facts of the name among those that report returns.
func reportedOf[F any](s *system, kind string, name delivery.Name, report func() []F, nameOf func(F) delivery.Name) F {
	s.t.Helper()
	for range 100 { // the dispatcher may have reported the change by then
		for _, f := range report() {
			if nameOf(f) == name {
				return f
			}
		}
	}
	s.t.Errorf("nothing is reported of %s %s", kind, name)
	return *new(F)
}
