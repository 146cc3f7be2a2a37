// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn-dev/posthorn/internal/catalogue"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// Log is where events are stored. *eventlog.Log implements it.
type Log interface {
	// Append stores the records of a namespace's events. When it returns without an error, all are
	// durable; with one, a sequence of 0 marks those that are not known to be. They are not stored after
	// eventlog.ErrFull; after any other error they may be, and RecentEvents tells.
	Append(ctx context.Context, namespace string, records [][]byte) ([]uint64, error)
	// RecentEvents calls handle for the events behind a sequence that were stored since a time, oldest
	// first, at most for so many of the newest, and returns the newest sequence. What was given to Append
	// before and is not among them will never be stored.
	RecentEvents(ctx context.Context, after uint64, since time.Time, most int, handle func(eventlog.Message)) (last uint64, err error)
	// GetKey and PutKey remember what came of an Idempotency-Key.
	GetKey(ctx context.Context, key string) (value []byte, ok bool, err error)
	PutKey(ctx context.Context, key string, value []byte) error
	// EvictedKeys counts those that were forgotten early, for want of room.
	EvictedKeys() uint64
}

var _ Log = (*eventlog.Log)(nil)

// Access decides who may post. Gates of package access implement it.
type Access interface {
	// Pass returns the name of the user whom the token belongs to, when that user may post events
	// to the namespace. The error is a problem.Teller.
	Pass(ctx context.Context, token, namespace string) (username string, err error)
}

// Quota decides whether a namespace may store more.
type Quota interface {
	// Admit counts so many events, of so many bytes together, for the namespace and returns true. When
	// there is no room for them it counts nothing, and says after which time it is worth trying again.
	Admit(namespace string, events, bytes int) (retryAfter time.Duration, ok bool)
	// Return gives back bytes that Admit counted and that were not stored after all.
	Return(namespace string, bytes int)
}

// Types knows the types that events are checked by.
type Types interface {
	// Namespace returns the types that a namespace describes, by type; nil when it describes none. It
	// reports false while they are not known, after a start. The map must not be changed.
	Namespace(name string) (types map[string]*catalogue.Type, known bool)
}

// Defaults of Options.
const (
	// DefaultWindow is how long the source and id of an event are remembered, and the least that
	// may be configured.
	DefaultWindow = 10 * time.Minute
	// DefaultWindowEntries bounds what is remembered: about 30 bytes of memory for each event.
	DefaultWindowEntries = 250_000
	// DefaultAppendTimeout is how long the log may take to store a request.
	DefaultAppendTimeout = 10 * time.Second
	// DefaultKeyWait is how long a request waits for another one with the same Idempotency-Key.
	DefaultKeyWait = 5 * time.Second
	// DefaultBodyMemory bounds the bodies that are held at the same time: 64 full batches.
	DefaultBodyMemory = 256 << 20
)

// Options say what a Handler works with.
type Options struct {
	// Log stores the events. Required.
	Log Log
	// Access decides who may post. Required unless AllowUnauthenticated is set.
	Access Access
	// AllowUnauthenticated lets everybody post to every namespace when Access is nil.
	AllowUnauthenticated bool
	// Quota limits the storage of a namespace; nil means no limit but that of the log.
	Quota Quota
	// Types are what events are checked by; nil means that none is.
	Types Types
	// Ready returns nil when events can be taken, or why not, which producers read in the answer of
	// 503. Nil means always.
	Ready func() error
	// Window and WindowEntries replace their defaults; a shorter window is an error.
	Window        time.Duration
	WindowEntries int
	// AppendTimeout, KeyWait and BodyMemory replace their defaults.
	AppendTimeout, KeyWait time.Duration
	BodyMemory             int64
	// Registerer takes the metrics; nil leaves them unregistered.
	Registerer prometheus.Registerer
	// Logger receives faults of the server; nil means slog.Default.
	Logger *slog.Logger
}

// complete checks the options and sets the defaults.
func (o *Options) complete() error {
	if o.Log == nil {
		return errors.New("create ingest: Log is required")
	}
	if (o.Access == nil) != o.AllowUnauthenticated {
		return errors.New("create ingest: set either Access or AllowUnauthenticated")
	}
	setDefault(&o.Window, DefaultWindow)
	setDefault(&o.WindowEntries, DefaultWindowEntries)
	setDefault(&o.AppendTimeout, DefaultAppendTimeout)
	setDefault(&o.KeyWait, DefaultKeyWait)
	setDefault(&o.BodyMemory, DefaultBodyMemory)
	if o.Window < DefaultWindow {
		return errors.New("create ingest: Window must not be below 10m")
	}
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return nil
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}
