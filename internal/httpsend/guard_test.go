// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/egress"
	"github.com/posthorn-dev/posthorn/internal/httpsend"
)

func TestSend_RefusedAddresses(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	answers := map[string][]netip.Addr{
		"good.example":     ips("127.0.0.1"),
		"private.example":  ips("10.0.0.1"),
		"mixed.example":    ips("127.0.0.1", "10.0.0.1"),
		"metadata.example": ips("169.254.169.254"),
		"empty.example":    {},
	}
	tests := map[string]struct {
		host    string
		want    delivery.FailureReason
		message string
	}{
		"a name with a listed address":   {"good.example", delivery.ReasonNone, ""},
		"a name with a private address":  {"private.example", delivery.ReasonBlocked, "Private.example has a private address, which the platform does not allow."},
		"a mixed answer":                 {"mixed.example", delivery.ReasonBlocked, "Mixed.example has a private address, which the platform does not allow."},
		"a name of the metadata service": {"metadata.example", delivery.ReasonBlocked, "Metadata.example has a metadata address, which is never allowed."},
		"a literal address":              {"10.0.0.1", delivery.ReasonBlocked, ""},
		"a literal mapped address":       {"[::ffff:169.254.169.254]", delivery.ReasonBlocked, ""},
		"a name that does not exist":     {"missing.example", delivery.ReasonDNS, "The endpoint's host name does not exist, or has no address."},
		"a name without an address":      {"empty.example", delivery.ReasonDNS, "The endpoint's host name does not exist, or has no address."},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, httpsend.Options{Resolver: resolver(answers)})
			e := endpoint(t, "http://"+tc.host+":"+port(t, r.Server))
			got := send(t, c, e)
			if got.Reason != tc.want {
				t.Fatalf("response = %+v, want the reason %q", got, tc.want)
			}
			if tc.message != "" && got.Message != tc.message {
				t.Errorf("message %q, want %q", got.Message, tc.message)
			}
			err := c.Vet(t.Context(), e)
			_, refused := errors.AsType[*egress.Refusal](err)
			if (err != nil) != (tc.want != delivery.ReasonNone) || refused != (tc.want == delivery.ReasonBlocked) {
				t.Errorf("Vet() = %v", err)
			}
		})
	}
}

// dials records what a client dials, and fails every dial.
type dials struct {
	mu  sync.Mutex
	all []netip.AddrPort
}

// dial is for Client.DialWith.
func (d *dials) dial(_ context.Context, addr netip.AddrPort) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, addr)
	return nil, syscall.ECONNREFUSED
}

// readVectors reads what the egress guard decides about addresses.
func readVectors(t *testing.T) (never, unlessListed, allowed []netip.Addr) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "egress", "testdata", "egress.json"))
	if err != nil {
		t.Fatal(err)
	}
	var v struct{ Never, RefusedUnlessListed, Allowed []netip.Addr }
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Never) == 0 || len(v.RefusedUnlessListed) == 0 || len(v.Allowed) == 0 {
		t.Fatal("a list of vectors is empty")
	}
	return v.Never, v.RefusedUnlessListed, v.Allowed
}

func TestSend_VectorsAtTheDial(t *testing.T) {
	t.Parallel()
	never, unlessListed, allowed := readVectors(t)
	everything, err := egress.NewPolicy(egress.Rules{
		Allow: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")},
	})
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		addrs   []netip.Addr
		policy  *egress.Policy
		dialled bool
	}{
		"never":                    {never, egress.DefaultPolicy(), false},
		"never, and all is listed": {never, everything, false},
		"not listed":               {unlessListed, egress.DefaultPolicy(), false},
		"listed":                   {unlessListed, everything, true},
		"allowed":                  {allowed, egress.DefaultPolicy(), true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, addr := range tc.addrs {
				names := resolver(map[string][]netip.Addr{"vector.example": {addr}})
				for _, host := range []string{addr.String(), "vector.example"} {
					made := &dials{}
					c := newClient(t, httpsend.Options{Policy: tc.policy, Resolver: names})
					c.DialWith(made.dial)
					got := send(t, c, endpoint(t, "http://"+net.JoinHostPort(host, "8080")))
					reason, want := delivery.ReasonBlocked, []netip.AddrPort(nil)
					if tc.dialled {
						reason, want = delivery.ReasonRefused, []netip.AddrPort{netip.AddrPortFrom(addr.Unmap(), 8080)}
					}
					if got.Reason != reason || !slices.Equal(made.all, want) {
						t.Errorf("%s as %s: dialled %v, want %v; response %+v", addr, host, made.all, want, got)
					}
					if refusal := got.Refusal; !tc.dialled && (refusal == nil || refusal.Host != host || refusal.Addr != addr.Unmap()) {
						t.Errorf("%s as %s: the refusal is %#v", addr, host, refusal)
					}
				}
			}
		})
	}
}

func TestSetPolicy_JudgesWhatIsConnectedAlready(t *testing.T) {
	t.Parallel()
	tests := map[string]func(e *delivery.Endpoint){
		"a name":    func(*delivery.Endpoint) {},
		"a Service": func(e *delivery.Endpoint) { e.ServiceIP = netip.MustParseAddr("127.0.0.1") },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, nil)
			c := newClient(t, httpsend.Options{Resolver: resolver(map[string][]netip.Addr{"good.example": ips("127.0.0.1")})})
			e := endpoint(t, "http://good.example:"+port(t, r.Server))
			change(e)
			wantDelivered(t, send(t, c, e))
			stricter, err := egress.NewPolicy(egress.Rules{APIServer: ips("127.0.0.1")})
			if err != nil {
				t.Fatal(err)
			}
			c.SetPolicy(stricter)
			wantReason(t, send(t, c, e), delivery.ReasonBlocked)
			if err := c.Vet(t.Context(), e); err == nil {
				t.Error("Vet() admits it")
			}
			c.SetPolicy(loopback(t))
			wantDelivered(t, send(t, c, e))
			if n := len(r.seen()); n != 2 {
				t.Errorf("the receiver saw %d requests, want 2", n)
			}
		})
	}
}

func TestSend_DialsTheAddressThatWasJudged(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	// The second answer would be metadata: a second look-up would be refused.
	n := &names{answers: map[string][][]netip.Addr{"rebind.example": {ips("127.0.0.1"), ips("169.254.169.254")}}}
	c := newClient(t, httpsend.Options{Resolver: n})
	e := endpoint(t, "http://rebind.example:"+port(t, r.Server))
	wantDelivered(t, send(t, c, e))
	if n.asked != 1 {
		t.Errorf("the name was resolved %d times for one connection", n.asked)
	}
	if got := r.seen()[0].Host; got != e.URL.Host {
		t.Errorf("Host is %q, want %q", got, e.URL.Host)
	}
	c.Forget(e.Name)
	wantReason(t, send(t, c, e), delivery.ReasonBlocked)
}

func TestSend_TriesTheNextAddress(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	c := newClient(t, httpsend.Options{Resolver: resolver(map[string][]netip.Addr{
		// Nobody listens at the first two.
		"multi.example": ips("127.0.0.2", "127.0.0.3", "127.0.0.1"),
		"none.example":  ips("127.0.0.2", "127.0.0.3"),
	})})
	wantDelivered(t, send(t, c, endpoint(t, "http://multi.example:"+port(t, r.Server))))
	e := endpoint(t, "http://none.example:"+port(t, r.Server))
	e.Name.Name = "none"
	wantReason(t, send(t, c, e), delivery.ReasonRefused)
}

func TestSend_NamespacesHaveTheirOwnLists(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	policy, err := egress.NewPolicy(egress.Rules{
		NamespaceAllow: map[string][]netip.Prefix{"team-a": {netip.MustParsePrefix("127.0.0.1/32")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, httpsend.Options{Policy: policy})
	wantDelivered(t, send(t, c, endpoint(t, r.URL)))
	other := endpoint(t, r.URL)
	other.Name.Namespace = "team-b"
	wantReason(t, send(t, c, other), delivery.ReasonBlocked)
}

func TestSend_ServiceIPIsDialledAlone(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	n := resolver(nil)
	// Loopback is not listed: the Service needs no listing.
	c := newClient(t, httpsend.Options{Policy: egress.DefaultPolicy(), Resolver: n})
	e := endpoint(t, "http://billing.team-a.svc:"+port(t, r.Server)+"/hooks")
	e.ServiceIP = netip.MustParseAddr("127.0.0.1")
	if err := c.Vet(t.Context(), e); err != nil {
		t.Errorf("Vet() = %v", err)
	}
	wantDelivered(t, send(t, c, e))
	if got := r.seen()[0].Host; got != e.URL.Host {
		t.Errorf("Host is %q, want %q", got, e.URL.Host)
	}
	if n.asked != 0 {
		t.Error("the name of a Service was resolved")
	}
}

func TestSend_ServiceIPThatIsNeverReachable(t *testing.T) {
	t.Parallel()
	c := newClient(t, httpsend.Options{})
	e := endpoint(t, "http://billing.team-a.svc")
	e.ServiceIP = netip.MustParseAddr("169.254.169.254")
	wantReason(t, send(t, c, e), delivery.ReasonBlocked)
	if err := c.Vet(t.Context(), e); err == nil {
		t.Error("Vet() admits it")
	}
}

func TestSend_ServiceOverTLSKeepsItsName(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil, withTLS(true))
	e := endpoint(t, "https://example.com:"+port(t, r.Server))
	e.ServiceIP = netip.MustParseAddr("127.0.0.1")
	e.TLS = &delivery.TLS{CA: certificatePEM(r.Server)}
	c := newClient(t, httpsend.Options{Resolver: resolver(nil)})
	wantDelivered(t, send(t, c, e))
	if got := r.seen()[0]; got.Host != e.URL.Host || got.TLS.ServerName != "example.com" {
		t.Errorf("Host %q, SNI %q", got.Host, got.TLS.ServerName)
	}
}

// failing is a resolver that fails, or hangs until it is given up.
type failing struct{ hang bool }

// LookupNetIP implements httpsend.Resolver.
func (f failing) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	if f.hang {
		<-ctx.Done()
		return nil, &net.DNSError{Err: "timeout", Name: host, IsTimeout: true, UnwrapErr: ctx.Err()}
	}
	return nil, &net.DNSError{Err: "server misbehaving", Name: host, IsTemporary: true}
}

func TestSend_ResolverFails(t *testing.T) {
	t.Parallel()
	e := endpoint(t, "http://secret-name.example")
	got := send(t, newClient(t, httpsend.Options{Resolver: failing{}}), e)
	wantReason(t, got, delivery.ReasonDNS)
	if strings.Contains(got.Message, "secret-name") {
		t.Errorf("message %q", got.Message)
	}
	e.Timeout = 30 * time.Millisecond
	wantReason(t, send(t, newClient(t, httpsend.Options{Resolver: failing{hang: true}}), e), delivery.ReasonTimeout)
}
