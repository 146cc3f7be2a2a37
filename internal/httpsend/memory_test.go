// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/httpsend"
)

// network is a network in memory: each address has a way of answering a dial.
type network struct {
	listener *pipeListener
	dial     map[netip.Addr]func(ctx context.Context) error
	mu       sync.Mutex
	dialled  []netip.AddrPort
}

// newNetwork starts a server behind all addresses; it ends with the test's bubble.
func newNetwork(t *testing.T, handler http.HandlerFunc) *network {
	t.Helper()
	n := &network{
		listener: &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})},
		dial:     make(map[netip.Addr]func(context.Context) error),
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Hour}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := server.Serve(n.listener); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
	return n
}

// client makes a client that dials into the network.
func (n *network) client(t *testing.T, newClient maker) *httpsend.Client {
	t.Helper()
	c := newClient(t, httpsend.Options{})
	c.DialWith(n.connect)
	return c
}

// connect is what DialWith takes.
func (n *network) connect(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	n.mu.Lock()
	n.dialled = append(n.dialled, addr)
	n.mu.Unlock()
	if f := n.dial[addr.Addr()]; f != nil {
		if err := f(ctx); err != nil {
			return nil, err
		}
	}
	near, far := net.Pipe()
	select {
	case n.listener.conns <- far:
		return near, nil
	case <-n.listener.closed:
		return nil, syscall.ECONNREFUSED
	}
}

// dials returns how many dials there were.
func (n *network) dials() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.dialled)
}

// pipeListener accepts connections in memory.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// noContentHandler answers 204.
func noContentHandler(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

// slow answers a dial after a while, with an error or without.
func slow(d time.Duration, err error) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-time.After(d):
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestSend_ServiceConnectionsLive60Seconds(t *testing.T) {
	eachWay(t, serviceConnectionsLive60Seconds)
}

func serviceConnectionsLive60Seconds(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, noContentHandler)
		c := n.client(t, newClient)
		e := endpoint(t, "http://billing.team-a.svc")
		e.ServiceIP = netip.MustParseAddr("10.96.0.7")
		for range 15 {
			wantDelivered(t, send(t, c, e))
			time.Sleep(9 * time.Second)
		}
		// At 0 s, 63 s and 126 s.
		if n.dials() != 3 {
			t.Errorf("%d connections in 135 s, want 3", n.dials())
		}
		for _, addr := range n.dialled {
			if addr != netip.MustParseAddrPort("10.96.0.7:80") {
				t.Errorf("%s was dialled", addr)
			}
		}
		time.Sleep(2 * time.Minute)
		if c.Pools() != 0 {
			t.Error("an unused Service's connections are still kept")
		}
	})
}

func TestSend_OtherConnectionsLiveWhileTheyAreUsed(t *testing.T) {
	eachWay(t, otherConnectionsLiveWhileTheyAreUsed)
}

func otherConnectionsLiveWhileTheyAreUsed(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, noContentHandler)
		c := n.client(t, newClient)
		e := endpoint(t, "http://127.0.0.1")
		for range 20 {
			wantDelivered(t, send(t, c, e))
			time.Sleep(10 * time.Second)
		}
		if n.dials() != 1 {
			t.Errorf("%d connections, want 1", n.dials())
		}
		time.Sleep(time.Minute)
		wantDelivered(t, send(t, c, e))
		if n.dials() != 2 {
			t.Errorf("%d connections after an idle minute, want 2", n.dials())
		}
	})
}

func TestSend_AddressesAreTriedBesideEachOther(t *testing.T) {
	eachWay(t, addressesAreTriedBesideEachOther)
}

func addressesAreTriedBesideEachOther(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	hang := slow(time.Hour, nil)
	refuse := slow(0, syscall.ECONNREFUSED)
	tests := map[string]struct {
		dial     map[string]func(context.Context) error
		want     delivery.FailureReason
		wantTime time.Duration
	}{
		"the first answers":                 {nil, delivery.ReasonNone, 0},
		"the first hangs":                   {map[string]func(context.Context) error{"127.0.0.1": hang}, delivery.ReasonNone, 250 * time.Millisecond},
		"two hang":                          {map[string]func(context.Context) error{"127.0.0.1": hang, "127.0.0.2": hang}, delivery.ReasonNone, 500 * time.Millisecond},
		"the first refuses":                 {map[string]func(context.Context) error{"127.0.0.1": refuse}, delivery.ReasonNone, 0},
		"a slow one wins over hanging ones": {map[string]func(context.Context) error{"127.0.0.1": slow(time.Second, nil), "127.0.0.2": hang, "127.0.0.3": hang}, delivery.ReasonNone, time.Second},
		"all refuse":                        {map[string]func(context.Context) error{"127.0.0.1": refuse, "127.0.0.2": refuse, "127.0.0.3": refuse}, delivery.ReasonRefused, 0},
		"all hang":                          {map[string]func(context.Context) error{"127.0.0.1": hang, "127.0.0.2": hang, "127.0.0.3": hang}, delivery.ReasonTimeout, 15 * time.Second},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t, noContentHandler)
				for addr, f := range tc.dial {
					n.dial[netip.MustParseAddr(addr)] = f
				}
				c := newClient(t, httpsend.Options{Resolver: resolver(map[string][]netip.Addr{
					"receiver.example": ips("127.0.0.1", "127.0.0.2", "127.0.0.3"),
				})})
				c.DialWith(n.connect)
				e := endpoint(t, "http://receiver.example")
				e.Timeout = 15 * time.Second
				got := send(t, c, e)
				if got.Reason != tc.want || got.Duration != tc.wantTime {
					t.Errorf("response = %+v, want the reason %q after %s", got, tc.want, tc.wantTime)
				}
			})
		})
	}
}

func TestSend_DialThatHangsEndsByItself(t *testing.T) { eachWay(t, dialThatHangsEndsByItself) }

func dialThatHangsEndsByItself(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, noContentHandler)
		ended := make(chan time.Time, 1)
		n.dial[netip.MustParseAddr("127.0.0.1")] = func(ctx context.Context) error {
			<-ctx.Done()
			ended <- time.Now()
			return ctx.Err()
		}
		c := n.client(t, newClient)
		e := endpoint(t, "http://127.0.0.1")
		e.Timeout = time.Minute
		start := time.Now()
		got := send(t, c, e)
		wantReason(t, got, delivery.ReasonTimeout)
		if want := "The connection to the endpoint timed out."; got.Message != want {
			t.Errorf("message %q, want %q", got.Message, want)
		}
		if took := (<-ended).Sub(start); took != 30*time.Second {
			t.Errorf("the dial took %s, want 30s", took)
		}
	})
}

func TestForget_ClosesWhatNobodyElseUses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, noContentHandler)
		c := n.client(t, newClient)
		one, two := endpoint(t, "http://127.0.0.1/one"), endpoint(t, "http://127.0.0.1/two")
		two.Name.Name = "two"
		wantDelivered(t, send(t, c, one))
		wantDelivered(t, send(t, c, two))
		c.Forget(one.Name)
		wantDelivered(t, send(t, c, two))
		if n.dials() != 1 || c.Pools() != 1 {
			t.Errorf("%d dials and %d pools while another endpoint shares the connection", n.dials(), c.Pools())
		}
		c.Forget(two.Name)
		if c.Pools() != 0 {
			t.Error("connections are kept that nobody uses")
		}
		wantDelivered(t, send(t, c, two))
		if n.dials() != 2 {
			t.Errorf("%d dials, want 2: a forgotten endpoint starts afresh", n.dials())
		}
	})
}

func TestSend_ChangedMaterialLeavesTheOldConnections(t *testing.T) {
	t.Parallel()
	c := newClient(t, httpsend.Options{})
	r := newReceiver(t, nil)
	for _, name := range []string{"a.example", "b.example"} {
		e := endpoint(t, r.URL)
		e.TLS = &delivery.TLS{ServerName: name}
		wantDelivered(t, send(t, c, e))
		if c.Pools() != 1 {
			t.Errorf("%d pools, want 1", c.Pools())
		}
	}
}
