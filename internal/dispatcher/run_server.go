// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/posthorn-dev/posthorn/internal/ingest"
	"github.com/posthorn-dev/posthorn/internal/problem"
)

// listener is an HTTP server with the socket that it serves. The socket is open from the start, so
// that an address that is taken shows before the event log is opened.
type listener struct {
	name   string
	server *http.Server
	socket net.Listener
}

// listen opens a socket; an address of "0" gives nil, which is a server that does nothing.
func listen(ctx context.Context, name, address string, secure *tls.Config, logger *slog.Logger) (*listener, error) {
	if address == none {
		return nil, nil
	}
	socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", name, err)
	}
	s := &http.Server{
		TLSConfig: secure,
		// What clients do wrong, such as to break off a handshake, is of interest to few.
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: 10 * time.Second, // all are set anew by ingest.Configure
	}
	ingest.Configure(s)
	return &listener{name: name, server: s, socket: socket}, nil
}

// address is where the server listens; "0" for one that does not.
func (l *listener) address() string {
	if l == nil {
		return none
	}
	return l.socket.Addr().String()
}

// serve answers requests until the server is stopped.
func (l *listener) serve(h http.Handler) error {
	if l == nil {
		return nil
	}
	l.server.Handler = h
	var err error
	if l.server.TLSConfig != nil {
		err = l.server.ServeTLS(l.socket, "", "") // HTTP/2 too, where the client offers it
	} else {
		err = l.server.Serve(l.socket)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", l.name, err)
	}
	return nil
}

// stop closes the socket, waits until ctx ends for the requests under way, and then breaks them off.
func (l *listener) stop(ctx context.Context) {
	if l == nil {
		return
	}
	if err := l.server.Shutdown(ctx); err != nil {
		_ = l.server.Close() // there is nothing left to do about a connection that does not close
	}
	_ = l.socket.Close() // closed already, unless it was never served
}

// front answers requests from the start of the process. Until it is opened it says that they come too early: a start may
// have to wait for another process, or for room on the file system.
type front struct{ behind atomic.Pointer[http.Handler] }

// open has a handler answer from now on.
func (f *front) open(h http.Handler) { f.behind.Store(&h) }

// ServeHTTP is http.Handler's.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := f.behind.Load(); h != nil {
		(*h).ServeHTTP(w, r)
		return
	}
	problem.Unavailable.New("The dispatcher is starting: its event log is being opened; nothing was lost. Try again.").
		After(time.Second).ServeHTTP(w, r)
}

// certificateOf returns the configuration of TLS with a certificate that is read again when it
// changes; nil without one.
func certificateOf(o *RunOptions) (*tls.Config, error) {
	if o.CertFile == "" {
		return nil, nil
	}
	certificate, err := ingest.NewCertificateReloader(o.CertFile, o.KeyFile, o.Logger)
	if err != nil {
		return nil, err
	}
	return &tls.Config{GetCertificate: certificate.GetCertificate, MinVersion: tls.VersionTLS12}, nil
}
