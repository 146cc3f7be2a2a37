// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// request makes the HTTP request of one attempt.
func (t *target) request(ctx context.Context, r *delivery.Request, authorization string) *http.Request {
	req := t.template.WithContext(ctx)
	req.Header = t.complete(r.Header, authorization)
	req.ContentLength = int64(len(r.Body))
	req.Body = http.NoBody
	if len(r.Body) > 0 {
		p := &replay{pool: t.pool, body: r.Body, resets: t.pool.protocolResets.Load()}
		req.Body = p.open()
		req.GetBody = p.again
	}
	return req
}

// repeating are the headers that make net/http repeat a POST that may have arrived.
var repeating = [...]string{"Idempotency-Key", "X-Idempotency-Key"}

// complete adds what this side says to the request's header, and returns it.
func (t *target) complete(h http.Header, authorization string) http.Header {
	for _, name := range repeating {
		if values, ok := h[name]; ok {
			// net/http looks for exactly these spellings, and names have no case on the wire: another spelling says the
			// same to the receiver, and nothing to net/http.
			delete(h, name)
			h[strings.ToLower(name)] = values
		}
	}
	h["User-Agent"] = t.userAgent
	if authorization != "" {
		h["Authorization"] = []string{authorization}
	}
	return h
}

// replay gives net/http the body again where it may send a request once more. It asks only when the
// receiver cannot have seen the request: nothing was written to a connection that turned out closed
// (HTTP/1), or the receiver says that it did not look at the stream (GOAWAY, REFUSED_STREAM). The one
// exception is an HTTP/2 stream that was reset with PROTOCOL_ERROR, which promises nothing
// (https://go.dev/issue/47635): replay then refuses.
type replay struct {
	pool *pool
	body []byte
	// resets is the pool's count of such resets when the attempt began.
	resets uint64
}

// open returns a reader of the body.
func (p *replay) open() io.ReadCloser { return inMemory(p.body) }

// inMemory returns a reader of a body, of a type that net/http knows to be in memory: the header would go out in a packet
// of its own with another.
func inMemory(body []byte) io.ReadCloser {
	if len(body) == 0 {
		return http.NoBody
	}
	return io.NopCloser(bytes.NewReader(body))
}

// again is the request's GetBody.
func (p *replay) again() (io.ReadCloser, error) {
	if p.pool.protocolResets.Load() != p.resets {
		return nil, errMaybeSeen
	}
	return p.open(), nil
}
