// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend

import (
	"net"
	"sync"
)

// connections are those of a Client that are open. Closing the idle ones, which is all that a transport
// offers, leaves an HTTP/2 connection open whose last stream has only just ended.
type connections struct {
	mu     sync.Mutex
	open   map[*connection]struct{}
	closed bool
}

// connection is an open connection.
type connection struct {
	net.Conn
	all *connections
}

// Close closes the connection.
func (c *connection) Close() error {
	c.all.mu.Lock()
	delete(c.all.open, c)
	c.all.mu.Unlock()
	return c.Conn.Close()
}

// add takes a connection in. One that comes after closeAll is closed at once.
func (c *connections) add(conn net.Conn) net.Conn {
	taken := &connection{conn, c}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		// Whoever dialled finds it closed.
		_ = conn.Close()
		return taken
	}
	if c.open == nil {
		c.open = make(map[*connection]struct{})
	}
	c.open[taken] = struct{}{}
	return taken
}

// closeAll closes all that is open.
func (c *connections) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for conn := range c.open {
		// Nobody is left to care.
		_ = conn.Conn.Close()
	}
	clear(c.open)
}
