// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package httpsend

import (
	"errors"
	"net"
	"syscall"
)

// probe looks whether anything has come over a connection that is not being read.
type probe struct {
	socket syscall.RawConn
	buffer [1]byte
	err    error
	look   func(fd uintptr) bool
}

// newProbe returns a probe of the connection; nil when it is no socket.
func newProbe(conn net.Conn) *probe {
	socket := socketOf(conn)
	if socket == nil {
		return nil
	}
	p := &probe{socket: socket}
	p.look = func(fd uintptr) bool {
		_, _, p.err = syscall.Recvfrom(int(fd), p.buffer[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return true
	}
	return p
}

// quiet reports whether the connection is open, and nothing waits to be read.
func (p *probe) quiet() bool {
	return p.socket.Read(p.look) == nil && (errors.Is(p.err, syscall.EAGAIN) || errors.Is(p.err, syscall.EINTR))
}
