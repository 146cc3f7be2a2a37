// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"

	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// maxDirectBody bounds the bodies that are posted directly, in bytes. The buffers of two sockets take as much, so that
// writing it does not keep the caller from an answer that comes early.
const maxDirectBody = 16 << 10

// direct posts plain HTTP/1.1 on the caller's goroutine, over connections of its own. A transport has two goroutines for
// each connection, to which a request is handed over twice and its answer once, which is half of what a delivery costs.
// Requests are written and answers are read by net/http; connections are guarded, kept and given up as those of a
// transport are. See docs/decisions/0020-plain-http-without-a-transport.md.
type direct struct {
	client *Client
	dial   func(ctx context.Context, network, address string) (net.Conn, error)

	mu     sync.Mutex
	closed bool
	// idle are the connections that nobody uses, by host and port; the one that was used last stands last.
	idle map[string][]*wire
	// waiting are the requests without a connection, by host and port, in the order in which they came.
	waiting map[string][]chan *wire
	// sweep closes what was idle for too long; nil while nothing is.
	sweep *time.Timer
}

// post sends a request and returns the answer, whose body must be closed. It sends a request again only when nothing of
// it was written. The error is errTimedOut when the deadline has passed; the zero deadline never does.
func (d *direct) post(ctx context.Context, t *target, r *delivery.Request, deadline time.Time) (*http.Response, error) {
	request := *t.template
	request.Header, request.ContentLength = t.complete(r.Header, t.static), int64(len(r.Body))
	for {
		w, err := d.take(ctx, t.address, deadline)
		if err != nil {
			return nil, err
		}
		request.Body = inMemory(r.Body)
		answer, err := w.exchange(&request)
		if err == nil {
			return answer, nil
		}
		w.drop()
		if err = late(err); !w.used || w.written > 0 || errors.Is(err, errTimedOut) || ctx.Err() != nil {
			return nil, err
		}
	}
}

// direct reports whether the request is posted directly. What has to be refused, a header that HTTP cannot hold, is left
// to the transport, and so is an endpoint that takes a token first.
func (t *target) direct(r *delivery.Request) bool {
	return t.address != "" && len(r.Body) <= maxDirectBody && t.tokens == nil && validHeader(r.Header)
}

// directAddress returns the host and port of a URL that is posted to directly: over plain HTTP, through no proxy, to a host
// that needs no encoding. It is empty for others.
func directAddress(u *url.URL, p *pool) string {
	host, port := u.Hostname(), u.Port()
	if u.Scheme != "http" || host == "" || p.transport.Proxy != nil || strings.ContainsFunc(host, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return ""
	}
	if port == "" {
		port = "80"
	}
	return net.JoinHostPort(host, port)
}

// validHeader reports whether HTTP can hold the header.
func validHeader(h http.Header) bool {
	for name, values := range h {
		if !httpguts.ValidHeaderFieldName(name) {
			return false
		}
		for _, value := range values {
			if !httpguts.ValidHeaderFieldValue(value) {
				return false
			}
		}
	}
	return true
}

// take returns a connection that is the caller's until it is put back or dropped.
func (d *direct) take(ctx context.Context, address string, deadline time.Time) (w *wire, err error) {
	for {
		if err := over(ctx, deadline); err != nil {
			return nil, err
		}
		if w = d.pop(address); w == nil {
			if w, err = d.connect(ctx, address, deadline); err != nil {
				return nil, err
			}
		}
		err = w.begin(ctx, deadline)
		if err == nil && (!w.used || w.untouched()) {
			return w, nil
		}
		w.drop()
		if !w.used {
			return nil, err
		}
	}
}

// over returns an error when the context has ended, or the deadline has passed.
func over(ctx context.Context, deadline time.Time) error {
	if !deadline.IsZero() && !time.Now().Before(deadline) && ctx.Err() == nil {
		return errTimedOut
	}
	return ctx.Err()
}

// pop returns the idle connection that was used last; nil when there is none.
func (d *direct) pop(address string) *wire {
	d.mu.Lock()
	defer d.mu.Unlock()
	idle := d.idle[address]
	if len(idle) == 0 {
		return nil
	}
	last := len(idle) - 1
	w := idle[last]
	idle[last] = nil
	d.idle[address] = idle[:last]
	return w
}

// connect makes a connection, or takes one that becomes idle before that is made. A dial goes on when nobody waits for it
// any more, for the next request to use.
func (d *direct) connect(ctx context.Context, address string, deadline time.Time) (*wire, error) {
	waiting, cancel := ctx, context.CancelFunc(func() {})
	if !deadline.IsZero() {
		waiting, cancel = context.WithDeadline(ctx, deadline)
	}
	defer cancel()
	given := d.wait(address)
	defer d.leave(address, given)
	failed := make(chan error, 1)
	d.client.background.Go(func() {
		conn, err := d.dial(d.client.base, "tcp", address)
		if err != nil {
			failed <- err
			return
		}
		if w := newWire(d, address, conn); !d.give(w, given) {
			d.put(w)
		}
	})
	select {
	case w := <-given:
		return w, nil
	case err := <-failed:
		return nil, err
	case <-waiting.Done():
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return nil, errTimedOut
	}
}

// give hands a new connection to the request that had it made, and reports whether that still waits.
func (d *direct) give(w *wire, given chan *wire) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.remove(w.address, given) {
		return false
	}
	given <- w
	return true
}

// wait has the next connection that becomes idle given to the caller.
func (d *direct) wait(address string) chan *wire {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting == nil {
		d.waiting = make(map[string][]chan *wire)
	}
	given := make(chan *wire, 1)
	d.waiting[address] = append(d.waiting[address], given)
	return given
}

// leave ends wait. What was given and not taken is put back.
func (d *direct) leave(address string, given chan *wire) {
	d.mu.Lock()
	d.remove(address, given)
	d.mu.Unlock()
	select {
	case w := <-given:
		d.put(w)
	default:
	}
}

// remove takes a request from those that wait, and reports whether it was one; d.mu is held.
func (d *direct) remove(address string, given chan *wire) bool {
	waiting := d.waiting[address]
	i := slices.Index(waiting, given)
	if i < 0 {
		return false
	}
	if len(waiting) == 1 {
		delete(d.waiting, address)
	} else {
		d.waiting[address] = slices.Delete(waiting, i, i+1)
	}
	return true
}

// put keeps a connection for the next request, or closes it.
func (d *direct) put(w *wire) {
	if !d.keep(w) {
		w.drop()
	}
}

// keep reports whether the connection is now kept, or given to a request that waits for one.
func (d *direct) keep(w *wire) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.used = true
	if waiting := d.waiting[w.address]; len(waiting) > 0 {
		first := waiting[0]
		d.remove(w.address, first)
		first <- w
		return true
	}
	if d.closed || len(d.idle[w.address]) >= d.client.maxIdlePerHost {
		return false
	}
	if d.idle == nil {
		d.idle = make(map[string][]*wire)
	}
	w.idleSince = time.Now()
	d.idle[w.address] = append(d.idle[w.address], w)
	if d.sweep == nil {
		d.sweep = time.AfterFunc(idleTimeout, d.closeUnused)
	}
	return true
}

// closeUnused closes the connections that were idle for too long, and comes back for the others.
func (d *direct) closeUnused() {
	var unused []*wire
	defer func() {
		for _, w := range unused {
			w.drop()
		}
	}()
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	d.sweep = nil
	next := time.Duration(0)
	for address, idle := range d.idle {
		n := 0
		for n < len(idle) && now.Sub(idle[n].idleSince) >= idleTimeout {
			n++
		}
		unused = append(unused, idle[:n]...)
		if n == len(idle) {
			delete(d.idle, address)
			continue
		}
		d.idle[address] = slices.Clone(idle[n:])
		if left := idleTimeout - now.Sub(idle[n].idleSince); next == 0 || left < next {
			next = left
		}
	}
	if next > 0 {
		d.sweep = time.AfterFunc(next, d.closeUnused)
	}
}

// close closes the idle connections at once, and those in use when their request ends.
func (d *direct) close() {
	d.mu.Lock()
	idle := d.idle
	d.idle, d.closed = nil, true
	if d.sweep != nil {
		d.sweep.Stop()
	}
	d.mu.Unlock()
	for _, of := range idle {
		for _, w := range of {
			w.drop()
		}
	}
}
