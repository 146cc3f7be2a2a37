// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package httpsend

import "net"

// probe looks whether anything has come over a connection that is not being read. It does so on Unix alone: elsewhere a request may
// meet a connection that the receiver has closed, and is tried again as any other that fails.
type probe struct{}

func newProbe(net.Conn) *probe { return nil }

func (*probe) quiet() bool { return true }
