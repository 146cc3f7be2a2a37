// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posthorn-dev/posthorn/internal/problem"
)

// maxPooled is the largest buffer that is kept for the next request.
const maxPooled = 64 << 10

// bodies reads bodies into memory, within a bound over all requests.
type bodies struct {
	limit  int64
	held   atomic.Int64
	unused sync.Pool // of *bytes.Buffer
}

// body is one request's body. Its bytes are good until release.
type body struct {
	bytes    []byte
	buffer   *bytes.Buffer
	reserved int64
	of       *bodies
}

// read reads a body of at most limit bytes.
func (b *bodies) read(w http.ResponseWriter, r *http.Request, limit int64) (*body, error) {
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	reserved := r.ContentLength
	if reserved < 0 {
		reserved = limit // chunked: it may become as much
	}
	if b.held.Add(reserved) > b.limit {
		b.held.Add(-reserved)
		return nil, problem.Unavailable.New("Too many events are arriving at once; try again.").After(time.Second)
	}
	buffer, _ := b.unused.Get().(*bytes.Buffer)
	if buffer == nil {
		buffer = &bytes.Buffer{}
	}
	if r.ContentLength > 0 {
		buffer.Grow(int(r.ContentLength) + bytes.MinRead) // or ReadFrom grows once more to see the end
	}
	_, err := buffer.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	read := &body{bytes: buffer.Bytes(), buffer: buffer, reserved: reserved, of: b}
	if err != nil {
		read.release()
		return nil, readError(err)
	}
	return read, nil
}

// release gives the memory back. Nothing may point into the body any more.
func (b *body) release() {
	b.of.held.Add(-b.reserved)
	if b.buffer.Cap() <= maxPooled {
		b.buffer.Reset()
		b.of.unused.Put(b.buffer)
	}
}

// readError says why a body did not arrive.
func readError(err error) error {
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return tooLarge(over.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return problem.Timeout.New("The body did not arrive in time.")
	}
	return problem.BadRequest.New("The body ended before it was complete.")
}

func tooLarge(limit int64) error {
	return kindTooLarge.New(fmt.Sprintf("The body is larger than the %d bytes that are taken: "+
		"send less at once, or a reference to the data.", limit))
}
