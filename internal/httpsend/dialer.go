// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"
)

const (
	// stagger is how long an address has before the next one is tried beside it (RFC 8305 recommends
	// 250 ms).
	stagger = 250 * time.Millisecond
	// maxDials bounds how many addresses of one answer are tried.
	maxDials = 8
	// keepAlive is the interval of TCP keep-alive probes.
	keepAlive = 30 * time.Second
)

// dialer makes the connections of one pool.
type dialer struct {
	client *Client
	key    poolKey
	tls    *tls.Config
}

// tcp dials addresses; names never come this far, but for a proxy's.
var tcp = net.Dialer{KeepAlive: keepAlive}

// dial connects to a host and port as net/http asks for it. net/http detaches the context from the
// attempt, so that it has no deadline of its own.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := d.client.bounded(ctx)
	defer cancel()
	conn, err := d.connect(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return d.client.connections.add(conn), nil
}

// dialTLS connects and shakes hands. It does so itself, rather than to leave it to net/http, so that
// errors of TLS have a type.
func (d *dialer) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := d.client.bounded(ctx)
	defer cancel()
	raw, err := d.connect(ctx, network, address)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("split address: %w", err)
	}
	config := d.tls.Clone()
	if config.ServerName == "" {
		config.ServerName = host
	}
	if !d.client.proxy.is(address) {
		config.NextProtos = []string{"h2", "http/1.1"}
	}
	raw = d.client.connections.add(raw)
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		// The handshake's error says more than that of closing what is left.
		_ = raw.Close()
		return nil, &tlsError{err}
	}
	return conn, nil
}

// connect makes the TCP connection: to the Service's address where there is one, to a proxy as it is
// configured, and else to one of the addresses that the guard has judged.
func (d *dialer) connect(ctx context.Context, network, address string) (net.Conn, error) {
	if !d.key.service.IsValid() && d.client.proxy.is(address) {
		return tcp.DialContext(ctx, network, address)
	}
	host, port, err := splitAddress(address)
	if err != nil {
		return nil, err
	}
	if d.key.service.IsValid() {
		return d.client.dialFirst(ctx, []netip.Addr{d.key.service}, port)
	}
	addrs, err := d.client.guard.resolve(ctx, d.key.namespace, host)
	if err != nil {
		return nil, err
	}
	return d.client.dialFirst(ctx, addrs, port)
}

// splitAddress splits host:port.
func splitAddress(address string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("split address: %w", err)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("parse port: %w", err)
	}
	return host, uint16(n), nil
}

// bounded returns a context for a dial: it ends after connectTimeout, and with the Client.
func (c *Client) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	stop := context.AfterFunc(c.base, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// dialed is the result of one dial.
type dialed struct {
	conn net.Conn
	err  error
}

// dialTCP connects to one address.
func dialTCP(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	return tcp.DialContext(ctx, "tcp", addr.String())
}

// dialFirst connects to the first of the addresses that answers. They are tried in order, the next one
// when one fails or has not answered within the stagger; the first error is returned when all fail.
func (c *Client) dialFirst(ctx context.Context, addrs []netip.Addr, port uint16) (net.Conn, error) {
	addrs = addrs[:min(len(addrs), maxDials)]
	if len(addrs) == 1 {
		return c.dialAddr(ctx, netip.AddrPortFrom(addrs[0], port))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan dialed)
	start := func(addr netip.Addr) {
		conn, err := c.dialAddr(ctx, netip.AddrPortFrom(addr, port))
		select {
		case results <- dialed{conn, err}:
		case <-ctx.Done():
			if conn != nil {
				// It came too late to be of use.
				_ = conn.Close()
			}
		}
	}
	return race(ctx, addrs, start, results)
}

// race starts dials and waits for the first that succeeds.
func race(ctx context.Context, addrs []netip.Addr, start func(netip.Addr), results <-chan dialed) (net.Conn, error) {
	timer := time.NewTimer(stagger)
	defer timer.Stop()
	go start(addrs[0])
	next, running := 1, 1
	var first error
	for {
		select {
		case r := <-results:
			if r.err == nil {
				return r.conn, nil
			}
			if first == nil {
				first = r.err
			}
			running--
		case <-timer.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		switch {
		case next < len(addrs):
			go start(addrs[next])
			next++
			running++
			timer.Reset(stagger)
		case running == 0:
			return nil, first
		}
	}
}
