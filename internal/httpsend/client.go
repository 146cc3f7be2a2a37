// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/egress"
)

const (
	// defaultUserAgent is sent where Options name none.
	defaultUserAgent = "Posthorn"
	// defaultMaxIdlePerHost is above any endpoint's concurrency, so that no connection is closed for
	// want of a place among the idle ones.
	defaultMaxIdlePerHost = 1024
)

// Resolver resolves names; *net.Resolver is one.
type Resolver interface {
	// LookupNetIP returns the addresses of a host; the network is "ip", for both families.
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Options configure a Client. The zero Options are usable and strict.
type Options struct {
	// Policy judges the addresses that are dialled, until SetPolicy; nil admits public addresses alone.
	Policy *egress.Policy
	// Resolver resolves names; nil for the system's.
	Resolver Resolver
	// UserAgent is the header of that name; "Posthorn" by default, and Posthorn/<version> in
	// production.
	UserAgent string
	// MaxIdlePerHost is how many idle connections a host may have. It must not be below an endpoint's
	// concurrency; 1,024 by default.
	MaxIdlePerHost int
	// ProxyFromEnvironment sends requests through the proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY
	// name, read once by New. The proxy's own address needs no listing, since the platform chose it.
	// What the proxy then dials is the proxy's to judge: only addresses that stand in a URL are judged
	// here. Services (serviceRef) are never sent to through a proxy.
	ProxyFromEnvironment bool
}

// Client sends requests to endpoints. It is safe for concurrent use.
type Client struct {
	userAgent      string
	maxIdlePerHost int
	guard          *guard
	proxy          *proxy
	connections    connections
	// dialAddr connects to an address that was judged.
	dialAddr func(context.Context, netip.AddrPort) (net.Conn, error)

	// base ends with Close, and with it dials and token requests that outlive the attempt that
	// started them.
	base   context.Context
	cancel context.CancelFunc
	// background counts what runs under base.
	background sync.WaitGroup

	mu      sync.RWMutex
	closed  bool
	targets map[delivery.Name]*target
	tokens  map[delivery.Name]*tokenSource
	pools   map[poolKey]*pool
}

var _ delivery.Sender = (*Client)(nil)

// New returns a Client. It holds idle connections until Close.
func New(o Options) *Client {
	if o.UserAgent == "" {
		o.UserAgent = defaultUserAgent
	}
	if o.MaxIdlePerHost <= 0 {
		o.MaxIdlePerHost = defaultMaxIdlePerHost
	}
	c := &Client{
		userAgent:      o.UserAgent,
		maxIdlePerHost: o.MaxIdlePerHost,
		guard:          newGuard(o.Policy, o.Resolver),
		dialAddr:       dialTCP,
		targets:        make(map[delivery.Name]*target),
		tokens:         make(map[delivery.Name]*tokenSource),
		pools:          make(map[poolKey]*pool),
	}
	c.base, c.cancel = context.WithCancel(context.Background())
	if o.ProxyFromEnvironment {
		c.proxy = newProxy(httpproxy.FromEnvironment())
	}
	return c
}

// Send posts the request and returns what came of it; see delivery.Sender. The request's body must not
// be modified afterwards: where an answer comes early, the rest of the body may still be on its way.
func (c *Client) Send(ctx context.Context, r *delivery.Request) delivery.Response {
	start := time.Now()
	response := c.send(ctx, r)
	response.Duration = time.Since(start)
	return response
}

// send makes one attempt within the endpoint's timeout.
func (c *Client) send(parent context.Context, r *delivery.Request) delivery.Response {
	a := attempt{parent: parent, ctx: parent, endpoint: r.Endpoint}
	t, err := c.target(r.Endpoint)
	if err != nil {
		return a.failed(err)
	}
	var answer *http.Response
	if t.direct(r) {
		a.authorization = t.static
		answer, err = t.pool.direct.post(parent, t, r, deadline(r.Endpoint.Timeout))
	} else {
		if timeout := r.Endpoint.Timeout; timeout > 0 {
			var cancel context.CancelFunc
			a.ctx, cancel = context.WithTimeout(parent, timeout)
			defer cancel()
		}
		if a.authorization, err = t.authorize(a.ctx); err != nil {
			return a.failed(err)
		}
		answer, err = t.pool.transport.RoundTrip(t.request(a.ctx, r, a.authorization))
	}
	if err != nil {
		return a.failed(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode == http.StatusUnauthorized {
		t.dropToken(a.authorization)
	}
	return a.response(t, answer)
}

// deadline is when an attempt that begins now has to be over; zero without a timeout.
func deadline(timeout time.Duration) time.Time {
	if timeout <= 0 {
		return time.Time{}
	}
	return time.Now().Add(timeout)
}

// attempt is the state of one Send.
type attempt struct {
	// parent is the caller's context, and ctx ends with the endpoint's timeout too, unless the request is posted
	// directly.
	parent, ctx context.Context
	endpoint    *delivery.Endpoint
	// authorization is the value of the header of that name; empty without.
	authorization string
}

// Vet resolves the endpoint's host, and that of its OAuth2 token URL, and judges the addresses without
// dialling. It returns a *egress.Refusal, the resolver's error, or nil. The address of a serviceRef
// needs no listing. A name that a proxy will resolve is not judged.
func (c *Client) Vet(ctx context.Context, e *delivery.Endpoint) error {
	if err := c.vetURL(ctx, e.Name.Namespace, e.URL, e.ServiceIP); err != nil {
		return err
	}
	if e.Auth == nil || e.Auth.OAuth2 == nil {
		return nil
	}
	tokenURL, err := url.Parse(e.Auth.OAuth2.TokenURL)
	if err != nil {
		return errTokenURL
	}
	return c.vetURL(ctx, e.Name.Namespace, tokenURL, netip.Addr{})
}

// vetURL judges where a URL leads.
func (c *Client) vetURL(ctx context.Context, namespace string, u *url.URL, serviceIP netip.Addr) error {
	if serviceIP.IsValid() {
		return c.guard.policy.Load().CheckService(namespace, serviceIP)
	}
	host := u.Hostname()
	if _, literal := parseLiteral(host); !literal && c.proxy.proxies(u) {
		return nil
	}
	_, err := c.guard.resolve(ctx, namespace, host)
	return err
}

// SetPolicy has addresses judged by another policy from now on. What was judged by the one before is not
// used again: connections are made anew, those of requests in flight apart.
func (c *Client) SetPolicy(p *egress.Policy) {
	c.guard.policy.Store(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgetAll()
}

// forgetAll drops what is kept for all endpoints; c.mu is held.
func (c *Client) forgetAll() {
	for _, p := range c.pools {
		c.drop(p)
	}
	clear(c.targets)
	clear(c.tokens)
}

// Forget drops what is kept for the endpoint: its token, and its connections where no other endpoint
// shares them. Requests in flight go on. An endpoint that is sent to again starts afresh.
func (c *Client) Forget(name delivery.Name) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.tokens, name)
	delete(c.targets, name)
	for _, p := range c.pools {
		c.leave(p, name)
	}
}

// Close closes all connections, ends dials and token requests that nobody waits for, and makes every
// further Send fail. Requests in flight should have ended before: they fail.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	c.forgetAll()
	c.mu.Unlock()
	c.cancel()
	c.background.Wait()
	c.connections.closeAll()
}

// parseLiteral reads an IP address that stands in a URL in place of a name.
func parseLiteral(host string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(host)
	return addr, err == nil
}

// systemResolver is the resolver of the process.
var systemResolver Resolver = net.DefaultResolver
