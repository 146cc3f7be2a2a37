// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"

	"golang.org/x/net/http/httpproxy"
)

// proxy is the proxy that the environment configures. A nil proxy proxies nothing.
type proxy struct {
	choose func(*url.URL) (*url.URL, error)
	// addresses are the proxies' own, as host:port.
	addresses map[string]bool
}

// newProxy reads the configuration.
func newProxy(c *httpproxy.Config) *proxy {
	p := &proxy{choose: c.ProxyFunc(), addresses: make(map[string]bool)}
	for _, scheme := range []string{"http", "https"} {
		// Any host will do that no NO_PROXY names; what it is asked for is the proxy alone.
		proxyURL, err := p.choose(&url.URL{Scheme: scheme, Host: "proxied.invalid"})
		if err == nil && proxyURL != nil {
			p.addresses[hostPort(proxyURL)] = true
		}
	}
	return p
}

// hostPort returns the address of a proxy with the default port of its scheme, as net/http dials it.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// is reports whether the address is that of a proxy.
func (p *proxy) is(address string) bool { return p != nil && p.addresses[address] }

// proxies reports whether requests to the URL go through a proxy.
func (p *proxy) proxies(u *url.URL) bool {
	if p == nil {
		return false
	}
	proxyURL, err := p.choose(u)
	return err == nil && proxyURL != nil
}

// proxyFor returns the choice of a proxy for requests of the namespace. An address that stands in the
// URL is judged as if it were dialled from here.
func (c *Client) proxyFor(namespace string) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		proxyURL, err := c.proxy.choose(r.URL)
		if err != nil || proxyURL == nil {
			return nil, err
		}
		host := r.URL.Hostname()
		if addr, ok := parseLiteral(host); ok {
			if err := c.guard.judge(namespace, host, []netip.Addr{addr}); err != nil {
				return nil, err
			}
		}
		return proxyURL, nil
	}
}
