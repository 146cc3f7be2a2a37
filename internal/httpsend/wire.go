// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

var (
	// errTimedOut is the error of an attempt whose time is over.
	errTimedOut = errors.New("the attempt's time is over")
	// errLongHeader is the error of headers beyond maxResponseHeader, those of interim answers (1xx) counted in.
	errLongHeader = errors.New("the headers of the answer are too long")
)

// late makes errTimedOut of the error of a connection whose deadline has passed.
func late(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errTimedOut
	}
	return err
}

// wire is a connection for plain HTTP/1.1. One caller has it at a time.
type wire struct {
	conn    net.Conn
	owner   *direct
	address string
	in      *bufio.Reader
	out     *bufio.Writer
	// probe looks at the socket; nil where it cannot be looked at.
	probe *probe
	// written is how many bytes of the request were written, and readable how many more may be read.
	written, readable int64
	// used says that others had it before: the receiver may have closed it since.
	used      bool
	idleSince time.Time
	// caller ends what the connection does when it ends, until unhook is called.
	caller context.Context //nolint:containedctx // it is the same for almost all requests
	unhook func() bool
}

func newWire(owner *direct, address string, conn net.Conn) *wire {
	w := &wire{conn: conn, owner: owner, address: address, probe: newProbe(conn)}
	w.in, w.out = bufio.NewReader(w), bufio.NewWriter(w)
	return w
}

// begin makes the connection ready for an exchange, which ends with the deadline and with the context.
func (w *wire) begin(ctx context.Context, deadline time.Time) error {
	if w.caller != ctx {
		if w.unhook != nil && !w.unhook() {
			return w.caller.Err()
		}
		w.caller = ctx
		w.unhook = context.AfterFunc(ctx, func() {
			// A connection that is closed needs no interruption.
			_ = w.conn.SetDeadline(time.Unix(1, 0))
		})
	}
	w.written, w.readable = 0, maxResponseHeader
	if err := w.conn.SetDeadline(deadline); err != nil {
		return err
	}
	return ctx.Err() // it may have ended between the two
}

// untouched reports whether the receiver has neither closed the connection nor sent anything since the last answer.
func (w *wire) untouched() bool { return w.probe == nil || w.probe.quiet() }

// exchange writes a request and reads the answer to the end of its headers.
func (w *wire) exchange(r *http.Request) (*http.Response, error) {
	err := r.Write(w.out)
	if err == nil {
		err = w.out.Flush()
	}
	if err != nil && w.written == 0 {
		return nil, err
	}
	// A receiver may have answered what it did not want to read.
	answer, none := w.read(r)
	if none != nil {
		return nil, cmp.Or(err, none)
	}
	answer.Close = answer.Close || err != nil
	w.attach(answer)
	return answer, nil
}

// read reads an answer to the end of its headers, behind those that are not final.
func (w *wire) read(r *http.Request) (*http.Response, error) {
	for {
		answer, err := http.ReadResponse(w.in, r)
		if err != nil {
			return nil, err
		}
		interim := answer.StatusCode >= 100 && answer.StatusCode < http.StatusOK && answer.StatusCode != http.StatusSwitchingProtocols
		if !interim {
			w.readable = math.MaxInt64
			return answer, nil
		}
	}
}

// attach has the connection put back when the answer's body is read to its end, and closed when it is closed before.
func (w *wire) attach(answer *http.Response) {
	b := &wireBody{body: answer.Body, wire: w, keep: !answer.Close && answer.StatusCode != http.StatusSwitchingProtocols}
	if answer.Body == http.NoBody {
		b.end(true)
		return
	}
	answer.Body = b
}

// Write is io.Writer's.
func (w *wire) Write(p []byte) (int, error) {
	n, err := w.conn.Write(p)
	w.written += int64(n)
	return n, err
}

// Read is io.Reader's.
func (w *wire) Read(p []byte) (int, error) {
	if w.readable <= 0 {
		return 0, errLongHeader
	}
	n, err := w.conn.Read(p[:min(int64(len(p)), w.readable)])
	w.readable -= int64(n)
	return n, err
}

// drop closes the connection.
func (w *wire) drop() {
	if w.unhook != nil {
		w.unhook()
	}
	// Nothing is lost: the answer is read, or has failed with an error that says more.
	_ = w.conn.Close()
}

// wireBody is the body of an answer.
type wireBody struct {
	body  io.ReadCloser
	wire  *wire
	keep  bool
	ended bool
	err   error
}

// Read is io.Reader's.
func (b *wireBody) Read(p []byte) (int, error) {
	if b.ended {
		return 0, b.err
	}
	n, err := b.body.Read(p)
	if err != nil {
		b.err = late(err)
		b.end(err == io.EOF) // a reader returns the end itself
	}
	return n, b.err
}

// Close closes the connection unless the body was read to its end.
func (b *wireBody) Close() error {
	if !b.ended {
		b.err = http.ErrBodyReadAfterClose
	}
	b.end(false)
	return nil
}

// end gives up the connection: whole says that the body was read to its end.
func (b *wireBody) end(whole bool) {
	if b.ended {
		return
	}
	b.ended = true
	if whole && b.keep && b.wire.in.Buffered() == 0 {
		b.wire.owner.put(b.wire)
		return
	}
	b.wire.drop()
}

// socketOf returns the socket behind a connection; nil when there is none.
func socketOf(conn net.Conn) syscall.RawConn {
	if c, ok := conn.(*connection); ok {
		conn = c.Conn
	}
	c, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}
