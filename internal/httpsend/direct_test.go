// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend_test

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/httpsend"
)

// A transport may be too late to see such an answer: it is read on another goroutine than the next request is written on.
func TestSend_TakesNoAnswerThatNobodyAskedFor(t *testing.T) {
	t.Parallel()
	const failure = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
	for name, late := range map[string]bool{"with the one before": false, "while the connection is idle": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			more, written := make(chan struct{}), make(chan struct{})
			release := sync.OnceFunc(func() { close(more) })
			defer release()
			rawURL := rawServer(t, func(n int, conn net.Conn) {
				answer := noContent
				if n == 1 && !late {
					answer += failure
				}
				if readRequest(conn) != nil {
					return
				}
				if _, err := conn.Write([]byte(answer)); err != nil {
					t.Error(err)
				}
				if n > 1 {
					return
				}
				<-more
				if late {
					// The client may have closed the connection.
					_, _ = conn.Write([]byte(failure))
					arrived(t, conn)
				}
				close(written)
				_ = readRequest(conn) // it ends with the connection
			})
			c := newClient(t, httpsend.Options{})
			wantDelivered(t, send(t, c, endpoint(t, rawURL)))
			release()
			<-written
			wantDelivered(t, send(t, c, endpoint(t, rawURL)))
		})
	}
}

func TestSend_IsRepeatedWhenNothingWasWritten(t *testing.T) {
	eachWay(t, isRepeatedWhenNothingWasWritten)
}

func isRepeatedWhenNothingWasWritten(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Connections in memory cannot be looked at, so that the request is written before the end is seen.
		n := newNetwork(t, func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			if _, err := conn.Write([]byte(noContent)); err != nil {
				t.Error(err)
			}
		})
		c := n.client(t, newClient)
		for i := range 3 {
			wantDelivered(t, send(t, c, endpoint(t, "http://127.0.0.1")))
			synctest.Wait()
			if n.dials() != i+1 {
				t.Errorf("%d connections for %d requests", n.dials(), i+1)
			}
		}
	})
}

func TestSend_DialServesTheNextAttempt(t *testing.T) { eachWay(t, dialServesTheNextAttempt) }

func dialServesTheNextAttempt(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, noContentHandler)
		n.dial[netip.MustParseAddr("127.0.0.1")] = slow(2*time.Second, nil)
		c := n.client(t, newClient)
		e := endpoint(t, "http://127.0.0.1")
		e.Timeout = time.Second
		got := send(t, c, e)
		wantReason(t, got, delivery.ReasonTimeout)
		if want := "No complete answer came within 1s."; got.Message != want {
			t.Errorf("message %q, want %q", got.Message, want)
		}
		time.Sleep(2 * time.Second)
		wantDelivered(t, send(t, c, e))
		if n.dials() != 1 {
			t.Errorf("%d dials, want 1", n.dials())
		}
	})
}

func TestSend_TakesAConnectionThatBecomesIdle(t *testing.T) {
	eachWay(t, takesAConnectionThatBecomesIdle)
}

func takesAConnectionThatBecomesIdle(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// The first request takes a second, and the dial of the next one hangs.
		n := newNetwork(t, func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Second)
			w.WriteHeader(http.StatusNoContent)
		})
		c := n.client(t, newClient)
		e := endpoint(t, "http://127.0.0.1")
		var first sync.WaitGroup
		first.Go(func() { wantDelivered(t, send(t, c, e)) })
		synctest.Wait()
		n.mu.Lock()
		n.dial[netip.MustParseAddr("127.0.0.1")] = slow(time.Hour, nil)
		n.mu.Unlock()
		got := send(t, c, e)
		wantDelivered(t, got)
		if got.Duration != 2*time.Second {
			t.Errorf("it took %s, want 2s: one to wait, and one for the answer", got.Duration)
		}
		first.Wait()
	})
}

func TestSend_ConnectionsOutliveTheirCallers(t *testing.T) {
	eachWay(t, connectionsOutliveTheirCallers)
}

func connectionsOutliveTheirCallers(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	for name, end := range map[string]bool{"that go on": false, "that have ended": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, nil)
			c := newClient(t, httpsend.Options{})
			e := endpoint(t, r.URL)
			for range 3 {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				wantDelivered(t, c.Send(ctx, post(e)))
				if end {
					cancel()
				}
			}
			wantDelivered(t, send(t, c, e))
			// An attempt under a context that has ended already leaves the connections to the others.
			before := r.connections()
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			wantReason(t, c.Send(ctx, post(e)), delivery.ReasonInterrupted)
			wantDelivered(t, send(t, c, e))
			if n := r.connections(); n != before {
				t.Errorf("%d connections instead of %d after an attempt that was over before it began", n, before)
			}
		})
	}
}

func TestSend_TimeoutOfOneAttemptIsNotTheNextOnes(t *testing.T) {
	eachWay(t, timeoutOfOneAttemptIsNotTheNextOnes)
}

func timeoutOfOneAttemptIsNotTheNextOnes(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	r := newReceiver(t, nil)
	c := newClient(t, httpsend.Options{})
	e := endpoint(t, r.URL)
	e.Timeout = 3 * time.Second
	wantDelivered(t, send(t, c, e))
	time.Sleep(e.Timeout + time.Millisecond) // what was set for the first attempt is over
	wantDelivered(t, send(t, c, endpoint(t, r.URL)))
	if n := r.connections(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestSend_RefusesWhatNoHeaderCanHold(t *testing.T) { eachWay(t, refusesWhatNoHeaderCanHold) }

func refusesWhatNoHeaderCanHold(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	for name, field := range map[string][2]string{"a value": {"X-Env", "a\r\nX-Other: b"}, "a name": {"X Env", "a"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, nil)
			request := post(endpoint(t, r.URL))
			request.Header[field[0]] = []string{field[1]}
			if got := newClient(t, httpsend.Options{}).Send(t.Context(), request); got.Reason == delivery.ReasonNone {
				t.Errorf("response = %+v", got)
			}
			if n := len(r.seen()); n != 0 {
				t.Errorf("%d requests arrived", n)
			}
		})
	}
}
