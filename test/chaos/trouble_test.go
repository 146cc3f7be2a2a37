// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
)

// trouble is a proxy before the API server that turns requests away.
type trouble struct {
	platform.Proxy
	handler http.Handler

	mu                   sync.Mutex
	requests, writes     int
	throttled, conflicts int
}

// newTrouble starts a proxy that ends with the test.
func newTrouble(t *testing.T) *trouble {
	t.Helper()
	config := rest.AnonymousClientConfig(posthorn.Plane.Config()) // who asks says so by a token
	transport, err := rest.TransportFor(config)
	must(t, err)
	target, err := url.Parse(config.Host)
	must(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport, proxy.FlushInterval = transport, -1 // watches are passed on as they come
	x := &trouble{handler: proxy}
	server := httptest.NewUnstartedServer(x)
	// The end of the test ends the requests, or Close would wait for watches.
	server.Config.BaseContext = func(net.Listener) context.Context { return t.Context() }
	server.StartTLS()
	t.Cleanup(server.Close)
	x.Proxy = platform.Proxy{
		URL:         server.URL,
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
	}
	return x
}

// ServeHTTP is http.Handler's.
func (x *trouble) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch x.verdict(r) {
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "1")
		status(w, http.StatusTooManyRequests, "TooManyRequests")
	case http.StatusConflict:
		status(w, http.StatusConflict, "Conflict")
	default:
		x.handler.ServeHTTP(w, r)
	}
}

// verdict says how a request is turned away; 0 lets it through.
func (x *trouble) verdict(r *http.Request) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.requests++
	if x.requests%3 == 0 {
		x.throttled++
		return http.StatusTooManyRequests
	}
	review := strings.Contains(r.URL.Path, "reviews") // a question, though it is posted
	if r.Method != http.MethodGet && !review {
		if x.writes++; x.writes%3 == 0 {
			x.conflicts++
			return http.StatusConflict
		}
	}
	return 0
}

// counts are how many requests were turned away.
func (x *trouble) counts() (throttled, conflicts int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.throttled, x.conflicts
}

// status answers as the API server does.
func status(w http.ResponseWriter, code int, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d,"message":"try again"}`, reason, code)
}
