// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend

import (
	"context"
	"net"
	"net/netip"

	"golang.org/x/net/http/httpproxy"
)

// DialWith replaces the dial to judged addresses, so that tests can run on connections in memory and so on
// synthetic time. It must be called before the first Send.
func (c *Client) DialWith(dial func(context.Context, netip.AddrPort) (net.Conn, error)) {
	c.dialAddr = dial
}

// ProxyWith replaces the proxy configuration of the environment. It must be called before the first Send.
func (c *Client) ProxyWith(config *httpproxy.Config) { c.proxy = newProxy(config) }

// Pools returns how many sets of connections there are.
func (c *Client) Pools() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.pools)
}
