// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"fmt"
	"log/slog"
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

// startEmbedded runs a JetStream server inside the process, without a listener.
func startEmbedded(o Options) (*server.Server, error) {
	opts := &server.Options{
		ServerName:             "posthorn",
		DontListen:             true,
		NoSigs:                 true,
		JetStream:              true,
		StoreDir:               o.Dir,
		JetStreamMaxStore:      o.MaxBytes,
		JetStreamMaxMemory:     64 << 20,
		MaxPayload:             maxPayload,
		MaxPending:             256 << 20,
		SyncAlways:             o.SyncAlways,
		SyncInterval:           o.SyncInterval,
		DisableJetStreamBanner: true,
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("configure engine: %w", err)
	}
	srv.SetLoggerV2(engineLogger{o.Logger}, false, false, false)
	srv.Start()
	if !srv.ReadyForConnections(readyTimeout) || !srv.JetStreamEnabled() {
		srv.Shutdown()
		srv.WaitForShutdown()
		return nil, fmt.Errorf("start engine in %s: %w", o.Dir, ErrUnavailable)
	}
	return srv, nil
}

// connect opens one in-process connection. Producers and the dispatcher have one each, so that a
// blocked reader of events never delays an answer to a producer.
func connect(srv *server.Server, name string) (*nats.Conn, error) {
	conn, err := nats.Connect("", nats.Name(name), nats.InProcessServer(srv), nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1))
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
