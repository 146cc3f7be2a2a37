// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend_test

import (
	"net/http"
	"net/netip"
	"testing"

	"golang.org/x/net/http/httpproxy"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/egress"
	"github.com/posthorn-dev/posthorn/internal/httpsend"
)

func TestSend_ProxyOnlyWhenConfigured(t *testing.T) {
	t.Parallel()
	// The proxy is on loopback, which is not listed: it needs no listing.
	p := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	c := newClient(t, httpsend.Options{Policy: egress.DefaultPolicy(), Resolver: resolver(nil)})
	c.ProxyWith(&httpproxy.Config{HTTPProxy: p.URL, NoProxy: "direct.example"})
	e := endpoint(t, "http://receiver.example/hooks")
	if err := c.Vet(t.Context(), e); err != nil {
		t.Errorf("Vet() = %v for a name that the proxy resolves", err)
	}
	if got := send(t, c, e); got.StatusCode != http.StatusAccepted {
		t.Fatalf("response = %+v", got)
	}
	if got := p.seen()[0].RequestURI; got != "http://receiver.example/hooks" {
		t.Errorf("the proxy was asked for %q", got)
	}
	tests := map[string]struct {
		url  string
		want delivery.FailureReason
	}{
		"an address in the URL is judged":       {"http://169.254.169.254/latest", delivery.ReasonBlocked},
		"a private address in the URL is too":   {"http://10.0.0.1/", delivery.ReasonBlocked},
		"a name without proxy is resolved here": {"http://direct.example/", delivery.ReasonDNS},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			other := endpoint(t, tc.url)
			wantReason(t, send(t, c, other), tc.want)
			if err := c.Vet(t.Context(), other); err == nil {
				t.Error("Vet() admits it")
			}
		})
	}
	service := endpoint(t, "http://billing.team-a.svc:"+port(t, newReceiver(t, nil).Server))
	service.ServiceIP = netip.MustParseAddr("127.0.0.1")
	wantDelivered(t, send(t, c, service))
	if n := len(p.seen()); n != 1 {
		t.Errorf("the proxy saw %d requests, want 1", n)
	}
}

func TestSend_ProxyOfTheEnvironmentOnlyWhenConfigured(t *testing.T) {
	p := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	r := newReceiver(t, nil)
	t.Setenv("HTTP_PROXY", p.URL)
	names := resolver(map[string][]netip.Addr{"receiver.example": ips("127.0.0.1")})
	e := endpoint(t, "http://receiver.example:"+port(t, r.Server)+"/hooks")

	wantDelivered(t, send(t, newClient(t, httpsend.Options{Resolver: names}), e))
	if through, direct := len(p.seen()), len(r.seen()); through != 0 || direct != 1 {
		t.Errorf("without the option the proxy saw %d requests and the receiver %d, want 0 and 1", through, direct)
	}
	c := newClient(t, httpsend.Options{Resolver: names, ProxyFromEnvironment: true})
	if got := send(t, c, e); got.StatusCode != http.StatusAccepted {
		t.Errorf("with the option the response = %+v, want that of the proxy", got)
	}
	if through, direct := len(p.seen()), len(r.seen()); through != 1 || direct != 1 {
		t.Errorf("with the option the proxy saw %d requests and the receiver %d, want 1 and 1", through, direct)
	}
	t.Setenv("NO_PROXY", "receiver.example")
	wantDelivered(t, send(t, newClient(t, httpsend.Options{Resolver: names, ProxyFromEnvironment: true}), e))
}

func TestSend_ProxyThatIsDown(t *testing.T) {
	t.Parallel()
	p := newReceiver(t, nil)
	p.Close()
	c := newClient(t, httpsend.Options{})
	c.ProxyWith(&httpproxy.Config{HTTPProxy: p.URL})
	wantReason(t, send(t, c, endpoint(t, "http://receiver.example")), delivery.ReasonRefused)
}
