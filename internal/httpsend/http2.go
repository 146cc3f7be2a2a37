// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/net/http2"
)

const (
	// pingAfter and pingTimeout find HTTP/2 connections that are dead: each attempt over one would
	// time out until the kernel notices, which takes a quarter of an hour.
	pingAfter   = 15 * time.Second
	pingTimeout = 10 * time.Second
)

// protocolReset is the kind of error that is counted when a receiver resets a stream with
// PROTOCOL_ERROR.
const protocolReset = "recv_rststream_PROTOCOL_ERROR"

// offerHTTP2 makes the transport speak HTTP/2 where TLS offers it.
//
// It takes the implementation of golang.org/x/net for its CountError, which replay needs: that of
// net/http is the same code, but in Go 1.26 does not pass HTTP2Config.CountError on.
func (p *pool) offerHTTP2() error {
	t, err := http2.ConfigureTransports(p.transport) //nolint:staticcheck // Deprecated for HTTP2Config, which lacks CountError in Go 1.26.
	if err != nil {
		return fmt.Errorf("offer HTTP/2: %w", err)
	}
	t.CountError = p.countError //nolint:staticcheck // As above.
	return nil
}

// countError is called with the kind of each HTTP/2 error, before the stream that it concerns learns of
// it.
func (p *pool) countError(kind string) {
	if kind == protocolReset {
		p.protocolResets.Add(1)
	}
}

// brokeHTTP2 reports whether the receiver ended the stream or the connection by the means of HTTP/2.
func brokeHTTP2(err error) bool {
	_, stream := errors.AsType[http2.StreamError](err)
	_, connection := errors.AsType[http2.ConnectionError](err)
	_, goAway := errors.AsType[http2.GoAwayError](err) //nolint:staticcheck // Deprecated in favour of nothing; this implementation returns it.
	return stream || connection || goAway
}
