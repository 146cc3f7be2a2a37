// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http/httpproxy"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/egress"
	"github.com/posthorn-dev/posthorn/internal/httpsend"
)

// TestMain has the environment name a proxy that is not there. net/http reads it once for the process: a Client that
// went by it unasked would not reach a single name.
func TestMain(m *testing.M) {
	for variable, value := range map[string]string{
		"HTTP_PROXY": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "", "no_proxy": "",
	} {
		if err := os.Setenv(variable, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// loopback is the policy of these tests: receivers are on loopback, which is listed.
func loopback(t testing.TB) *egress.Policy {
	t.Helper()
	p, err := egress.NewPolicy(egress.Rules{Allow: []netip.Prefix{
		netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// newClient makes a Client that may reach loopback, and closes it when the test ends.
func newClient(t testing.TB, o httpsend.Options) *httpsend.Client {
	t.Helper()
	if o.Policy == nil {
		o.Policy = loopback(t)
	}
	c := httpsend.New(o)
	t.Cleanup(c.Close)
	return c
}

// maker makes a client; newClient is one.
type maker func(testing.TB, httpsend.Options) *httpsend.Client

// eachWay runs a test with clients that post over plain HTTP directly, and with those that do so over a transport, as
// when there may be a proxy.
func eachWay(t *testing.T, test func(t *testing.T, newClient maker)) {
	t.Helper()
	t.Run("directly", func(t *testing.T) { test(t, newClient) })
	t.Run("over a transport", func(t *testing.T) {
		test(t, func(t testing.TB, o httpsend.Options) *httpsend.Client {
			c := newClient(t, o)
			c.ProxyWith(&httpproxy.Config{})
			return c
		})
	})
}

// names is a resolver with fixed answers. A name with several answers gives one after the other.
type names struct {
	mu      sync.Mutex
	answers map[string][][]netip.Addr
	asked   int
}

// resolver returns names that resolve to one answer each.
func resolver(answers map[string][]netip.Addr) *names {
	r := &names{answers: make(map[string][][]netip.Addr)}
	for name, answer := range answers {
		r.answers[name] = [][]netip.Addr{answer}
	}
	return r
}

// LookupNetIP implements httpsend.Resolver.
func (r *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	answers := r.answers[host]
	if len(answers) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if len(answers) > 1 {
		r.answers[host] = answers[1:]
	}
	return answers[0], nil
}

// ips parses addresses.
func ips(texts ...string) []netip.Addr {
	var out []netip.Addr
	for _, text := range texts {
		out = append(out, netip.MustParseAddr(text))
	}
	return out
}

// received is one request that a receiver saw.
type received struct {
	*http.Request
	body string
}

// receiver is a server that records what it sees and answers what a test wants.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	requests []received
	conns    map[string]int // new connections by state
}

// newReceiver starts a receiver; a nil answer is 204.
func newReceiver(t testing.TB, answer http.HandlerFunc, configure ...func(*httptest.Server)) *receiver {
	t.Helper()
	r := &receiver{conns: make(map[string]int)}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		r.mu.Lock()
		r.requests = append(r.requests, received{req, string(body)})
		r.mu.Unlock()
		if answer == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		answer(w, req)
	}))
	r.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.conns[s.String()]++
	}
	r.Config.ErrorLog = nil
	for _, f := range configure {
		f(r.Server)
	}
	if r.TLS != nil {
		r.StartTLS()
	} else {
		r.Start()
	}
	t.Cleanup(r.Close)
	return r
}

// seen returns the requests so far.
func (r *receiver) seen() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests
}

// connections returns how many connections were opened.
func (r *receiver) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conns[http.StateNew.String()]
}

// say writes an answer; a client that has seen enough may be gone.
func say(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(w, format, args...)
}

// endpoint makes an endpoint for a URL.
func endpoint(t testing.TB, rawURL string) *delivery.Endpoint {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	return &delivery.Endpoint{
		Name:    delivery.Name{Namespace: "team-a", Name: "billing"},
		URL:     u,
		Host:    u.Host,
		Timeout: 30 * time.Second,
	}
}

// post makes the usual request.
func post(e *delivery.Endpoint) *delivery.Request {
	return &delivery.Request{
		Endpoint: e,
		Header:   http.Header{"Content-Type": {"application/json"}, "Webhook-Id": {"msg_1"}},
		Body:     []byte(`{"hello":"world"}`),
	}
}

// send sends the usual request.
func send(t testing.TB, c *httpsend.Client, e *delivery.Endpoint) delivery.Response {
	t.Helper()
	return c.Send(t.Context(), post(e))
}

// wantDelivered fails the test unless the response is a success.
func wantDelivered(t testing.TB, r delivery.Response) {
	t.Helper()
	if r.Reason != delivery.ReasonNone || r.StatusCode < 200 || r.StatusCode > 299 || r.Message != "" {
		t.Fatalf("response = %+v, want a success", r)
	}
}

// wantReason fails the test unless the response failed for the reason, without an answer.
func wantReason(t testing.TB, r delivery.Response, want delivery.FailureReason) {
	t.Helper()
	if r.Reason != want || r.StatusCode != 0 || r.Message == "" || len(r.Message) > 256 {
		t.Fatalf("response = %+v, want the reason %s and a message", r, want)
	}
}

// port returns the port of a server.
func port(t testing.TB, s *httptest.Server) string {
	t.Helper()
	_, p, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// rawServer accepts connections and hands each to serve, with its number from 1.
func rawServer(t testing.TB, serve func(n int, conn net.Conn)) (rawURL string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 1; ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				serve(n, conn)
			})
		}
	})
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
	return "http://" + listener.Addr().String() + "/hooks"
}

// readRequest reads one request of the usual size from a connection.
func readRequest(conn net.Conn) error {
	var got bytes.Buffer
	buffer := make([]byte, 4096)
	for !bytes.Contains(got.Bytes(), []byte(`{"hello":"world"}`)) {
		n, err := conn.Read(buffer)
		if err != nil {
			return err
		}
		got.Write(buffer[:n])
	}
	return nil
}
