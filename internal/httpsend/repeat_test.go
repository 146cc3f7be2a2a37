// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/httpsend"
)

// idempotent makes a request with the headers that net/http takes as leave to repeat a POST.
func idempotent(e *delivery.Endpoint) *delivery.Request {
	r := post(e)
	r.Header["Idempotency-Key"] = []string{"k1"}
	r.Header["X-Idempotency-Key"] = []string{"k2"}
	return r
}

const noContent = "HTTP/1.1 204 No Content\r\n\r\n"

func TestSend_IdempotencyHeadersArrive(t *testing.T) { eachWay(t, idempotencyHeadersArrive) }

func idempotencyHeadersArrive(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	r := newReceiver(t, nil)
	wantDelivered(t, newClient(t, httpsend.Options{}).Send(t.Context(), idempotent(endpoint(t, r.URL))))
	h := r.seen()[0].Header
	if h.Get("Idempotency-Key") != "k1" || h.Get("X-Idempotency-Key") != "k2" {
		t.Errorf("headers: %v", h)
	}
}

func TestSend_RequestThatMayHaveArrivedIsNotRepeated(t *testing.T) {
	eachWay(t, requestThatMayHaveArrivedIsNotRepeated)
}

func requestThatMayHaveArrivedIsNotRepeated(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	// The second request over a connection is read, and the connection closed without an answer.
	for name, make := range map[string]func(*delivery.Endpoint) *delivery.Request{"plain": post, "with idempotency keys": idempotent} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			rawURL := rawServer(t, func(_ int, conn net.Conn) {
				for readRequest(conn) == nil {
					if requests.Add(1) >= 2 {
						return
					}
					if _, err := conn.Write([]byte(noContent)); err != nil {
						return
					}
				}
			})
			c := newClient(t, httpsend.Options{})
			e := endpoint(t, rawURL)
			wantDelivered(t, c.Send(t.Context(), make(e)))
			wantReason(t, c.Send(t.Context(), make(e)), delivery.ReasonConnection)
			if n := requests.Load(); n != 2 {
				t.Errorf("%d requests arrived, want 2", n)
			}
		})
	}
}

func TestSend_IdleConnectionsThatClosedAreNoFailure(t *testing.T) {
	t.Parallel()
	// Each connection is closed after its first answer, without saying so beforehand. The next request is sent when the end
	// has arrived: a transport answers it with its own, and what is posted directly meets it when the connection would be used.
	for name, size := range map[string]int{"posted directly": 100, "over a transport": 17 << 10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			closed := make(chan struct{}, 2)
			rawURL := rawServer(t, func(_ int, conn net.Conn) {
				if readRequest(conn) != nil {
					return
				}
				if _, err := conn.Write([]byte(noContent)); err != nil {
					return
				}
				if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
					t.Error(err)
				}
				if size < 1<<10 {
					arrived(t, conn)
					closed <- struct{}{}
				}
				if _, err := io.Copy(io.Discard, conn); err != nil {
					t.Error(err)
				}
				if size > 1<<10 {
					closed <- struct{}{}
				}
			})
			c := newClient(t, httpsend.Options{})
			for range 20 {
				request := post(endpoint(t, rawURL))
				request.Body = append(bytes.Repeat([]byte("x"), size), request.Body...)
				wantDelivered(t, c.Send(t.Context(), request))
				<-closed
			}
		})
	}
}

func TestSend_RefusedStreamIsSentAgain(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]struct {
		requests int32
		reason   delivery.FailureReason
	}{
		// REFUSED_STREAM promises that nothing was done; PROTOCOL_ERROR promises nothing.
		"\x00\x00\x00\x07": {2, delivery.ReasonNone},
		"\x00\x00\x00\x01": {1, delivery.ReasonConnection},
	} {
		t.Run(fmt.Sprintf("%x", code), func(t *testing.T) {
			t.Parallel()
			s := &streamServer{code: code}
			rawURL, config := s.start(t)
			e := endpoint(t, rawURL)
			e.TLS = config
			got := newClient(t, httpsend.Options{}).Send(t.Context(), idempotent(e))
			if got.Reason != want.reason {
				t.Errorf("response = %+v, want the reason %q", got, want.reason)
			}
			if n := s.streams.Load(); n != want.requests {
				t.Errorf("%d streams, want %d", n, want.requests)
			}
		})
	}
}

// streamServer speaks as much HTTP/2 as it takes to reset the first stream with a code, and to answer the
// following with 204.
type streamServer struct {
	code    string
	streams atomic.Int32
}

// start starts the server.
func (s *streamServer) start(t *testing.T) (rawURL string, material *delivery.TLS) {
	t.Helper()
	// A server of httptest gives the certificate.
	certified := httptest.NewUnstartedServer(http.NotFoundHandler())
	certified.StartTLS()
	t.Cleanup(certified.Close)
	config := &tls.Config{Certificates: certified.TLS.Certificates, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12}
	rawURL = rawServer(t, func(_ int, conn net.Conn) {
		secured := tls.Server(conn, config)
		defer secured.Close()
		s.serve(secured)
	})
	return strings.Replace(rawURL, "http:", "https:", 1), &delivery.TLS{CA: certificatePEM(certified)}
}

// serve reads frames until the connection ends.
func (s *streamServer) serve(conn net.Conn) {
	preface := make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
	if _, err := io.ReadFull(conn, preface); err != nil {
		return
	}
	if _, err := io.WriteString(conn, "\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
		return
	}
	head := make([]byte, 9)
	for {
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		length := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
		if _, err := io.CopyN(io.Discard, conn, length); err != nil {
			return
		}
		const typeData, endStream = 0, 1
		if head[3] != typeData || head[4]&endStream == 0 {
			continue
		}
		stream := string(head[5:9])
		answer := "\x00\x00\x01\x01\x05" + stream + "\x89" // HEADERS, :status 204, end of stream and headers
		if s.streams.Add(1) == 1 {
			answer = "\x00\x00\x04\x03\x00" + stream + s.code // RST_STREAM
		}
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
	}
}

func TestSend_ConcurrentRequestsWhileConnectionsClose(t *testing.T) {
	eachWay(t, concurrentRequestsWhileConnectionsClose)
}

func concurrentRequestsWhileConnectionsClose(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	// A receiver that announces the end of every third connection loses nothing.
	var n atomic.Int32
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%3 == 0 {
			w.Header().Set("Connection", "close")
		}
		w.WriteHeader(http.StatusNoContent)
	})
	c := newClient(t, httpsend.Options{})
	e := endpoint(t, r.URL)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				if got := c.Send(t.Context(), post(e)); got.Reason != delivery.ReasonNone {
					t.Errorf("response = %+v", got)
				}
			}
		})
	}
	wg.Wait()
	if got := len(r.seen()); got != 200 {
		t.Errorf("%d requests arrived, want 200", got)
	}
}
