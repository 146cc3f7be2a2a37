// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// maxPayload is the largest message that the engine takes: a batch of attempt records, or an event
// of 1 MiB with its envelope, stored once more as a waiting delivery. NATS counts headers in it.
const maxPayload = 4 << 20

// readyTimeout bounds the start of the embedded engine, recovery of its files included: 400,000
// messages take half a second.
const readyTimeout = 2 * time.Minute

// engine is a JetStream server inside the process, without a listener. It can be started again while
// clients are connected: they find the new server behind the same engine, and go on.
type engine struct {
	opts Options

	mu sync.Mutex
	// server is nil while there is none: a restart failed, or the engine is closed.
	server *server.Server
	// run ends with the server, by end.
	run context.Context
	end context.CancelFunc
}

// startEngine runs a server on the files in o.Dir.
func startEngine(o Options) (*engine, error) {
	e := &engine{opts: o}
	if err := e.start(); err != nil {
		return nil, err
	}
	return e, nil
}

// start runs a server. The caller holds the mutex, or is the only one to know the engine.
func (e *engine) start() error {
	srv, err := server.NewServer(&server.Options{
		ServerName:             "posthorn",
		DontListen:             true,
		NoSigs:                 true,
		JetStream:              true,
		StoreDir:               e.opts.Dir,
		JetStreamMaxStore:      e.opts.MaxBytes,
		JetStreamMaxMemory:     64 << 20,
		MaxPayload:             maxPayload,
		MaxPending:             256 << 20,
		SyncAlways:             e.opts.SyncAlways,
		SyncInterval:           e.opts.SyncInterval,
		DisableJetStreamBanner: true,
	})
	if err != nil {
		return fmt.Errorf("configure engine: %w", err)
	}
	srv.SetLoggerV2(engineLogger{e.opts.Logger}, false, false, false)
	srv.Start()
	// A server whose store does not start says so at once, and is never ready.
	if !srv.JetStreamEnabled() || !srv.ReadyForConnections(readyTimeout) {
		srv.Shutdown()
		srv.WaitForShutdown()
		return fmt.Errorf("start engine in %s: %w", e.opts.Dir, ErrUnavailable)
	}
	e.server = srv
	e.run, e.end = context.WithCancel(context.Background())
	return nil
}

// during ends a context with the server that runs now, too: what one server was asked, another never answers.
func (e *engine) during(ctx context.Context) (context.Context, context.CancelFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	ended := context.AfterFunc(e.run, cancel)
	return ctx, func() {
		ended()
		cancel()
	}
}

// close stops the server. What it acknowledged is on disk.
func (e *engine) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.shutdown()
}

// shutdown stops the server, if there is one. The caller holds the mutex.
func (e *engine) shutdown() {
	if e.server == nil {
		return
	}
	e.end()
	e.server.Shutdown()
	e.server.WaitForShutdown()
	e.server = nil
}

// restart stops the server and starts another on the same files. A stream that could not write stays
// broken for as long as its server runs, room or not; a new one reads what was acknowledged and goes on.
func (e *engine) restart() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.shutdown()
	return e.start()
}

// health is nil while every stream can be written.
func (e *engine) health() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.server == nil {
		return errors.New("engine is not running")
	}
	var status *server.HealthStatus
	for range healthTries {
		status = e.server.Healthz(&server.HealthzOptions{Details: true})
		if len(status.Errors) == 0 {
			return nil
		}
		if status.Errors[0].Type != server.HealthzErrorConn {
			break
		}
	}
	return errors.New(status.Errors[0].Error)
}

// healthTries is how often the server is looked at when it says that it does not take connections, which it has
// done since it was started: it gives itself a millisecond for the answer, and loses that on a busy machine.
const healthTries = 20

// InProcessConn connects a client to the server that runs now (nats.InProcessConnProvider).
func (e *engine) InProcessConn() (net.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.server == nil {
		return nil, ErrUnavailable
	}
	return e.server.InProcessConn()
}

// reconnectWait is how long a client waits before it looks for the server again.
const reconnectWait = 20 * time.Millisecond

// connect opens one in-process connection. Producers and the dispatcher have one each, so that a
// blocked reader of events never delays an answer to a producer.
func (e *engine) connect(name string) (*nats.Conn, error) {
	conn, err := nats.Connect("", nats.Name(name), nats.InProcessServer(e), nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait), nats.ReconnectJitter(0, 0), nats.ReconnectBufSize(-1))
	if err != nil {
		return nil, fmt.Errorf("connect to engine: %w", err)
	}
	return conn, nil
}

// engineLogger passes the server's own warnings and errors on; its notices are of no use to an
// operator of Posthorn and go to debug.
type engineLogger struct{ log *slog.Logger }

func (l engineLogger) Noticef(f string, v ...any) { l.say(slog.LevelDebug, f, v) }
func (l engineLogger) Warnf(f string, v ...any)   { l.say(slog.LevelWarn, f, v) }
func (l engineLogger) Errorf(f string, v ...any)  { l.say(slog.LevelError, f, v) }
func (l engineLogger) Fatalf(f string, v ...any)  { l.say(slog.LevelError, f, v) }
func (l engineLogger) Debugf(f string, v ...any)  { l.say(slog.LevelDebug, f, v) }
func (l engineLogger) Tracef(f string, v ...any)  { l.say(slog.LevelDebug, f, v) }

func (l engineLogger) say(level slog.Level, format string, v []any) {
	l.log.Log(nil, level, "Engine reported", "message", fmt.Sprintf(format, v...)) //nolint:staticcheck // slog takes a nil context
}
