// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Options configure a Log.
type Options struct {
	// Dir holds the engine's files.
	Dir string
	// MaxBytes is what all streams together may take; 0 means 80 % of the file system that Dir is
	// on, and more than that is cut to it, since a full file system is worse than a full log.
	MaxBytes int64
	// SyncAlways makes every write reach the disk before it is acknowledged. Without it a crash of
	// the process loses nothing, and a power loss at most what SyncInterval covers.
	SyncAlways bool
	// SyncInterval is how often files are synced without SyncAlways; 0 means 10 s.
	SyncInterval time.Duration
	// DeadLetterAge is how long dead letters are kept; 0 means 30 days.
	DeadLetterAge time.Duration
	// DeadLetterBytes is how much of them is kept, the newest; 0 means that only the age and the
	// storage bound them.
	DeadLetterBytes int64
	// KeyAge is how long Idempotency-Keys are kept; 0 means 24 hours. MaxKeys bounds their number
	// (the oldest go); 0 means 100,000, about 28 MB of memory in the engine.
	KeyAge  time.Duration
	MaxKeys int64
	// Logger receives what the engine reports; nil means slog.Default.
	Logger *slog.Logger
}

// eventShare is the part of MaxBytes that events may take. The rest is room for what follows from
// them: an outcome must never wait for room that only outcomes can make.
const eventShare = 0.6

// diskShare is the part of the file system that the engine may take at most.
const diskShare = 0.8

// Log is the durable side of a dispatcher. It is safe for concurrent use.
type Log struct {
	opts     Options
	lock     *flock.Flock
	engine   *engine
	producer jetstream.JetStream
	core     jetstream.JetStream
	conns    []*nats.Conn
	// ill says why the log cannot be written; nil while it can.
	ill atomic.Pointer[error]
	// closed is closed by Close, and watching counts who looks after the engine until then.
	closed    chan struct{}
	closeOnce sync.Once
	watching  sync.WaitGroup

	events, waiting, deadLetters, attempts jetstream.Stream
	keys, state, objects                   jetstream.Stream
	evictions                              keyEvictions
	// scanned counts the messages that scan read.
	scanned atomic.Uint64
}

// Open starts the embedded engine in o.Dir and makes sure that its streams are there. Where another process has the
// directory open, it waits until that has ended, or ctx; where the engine cannot start on a file system without room,
// until there is some.
func Open(ctx context.Context, o Options) (*Log, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.SyncInterval == 0 {
		o.SyncInterval = 10 * time.Second
	}
	if o.DeadLetterAge == 0 {
		o.DeadLetterAge = 30 * 24 * time.Hour
	}
	if o.KeyAge == 0 {
		o.KeyAge = 24 * time.Hour
	}
	if o.MaxKeys == 0 {
		o.MaxKeys = 100_000
	}
	limit, err := storageLimit(o.Dir, o.MaxBytes)
	if err != nil {
		return nil, err
	}
	o.MaxBytes = limit
	held, err := lock(ctx, o.Dir, o.Logger)
	if err != nil {
		return nil, err
	}
	l := &Log{opts: o, lock: held, closed: make(chan struct{})}
	if err := l.openWithRoom(ctx); err != nil {
		_ = held.Close() // nothing was written to it
		return nil, err
	}
	l.watching.Go(l.watch)
	return l, nil
}

// openWithRoom opens the log. Where that fails on a file system without room, it waits for room and tries again.
func (l *Log) openWithRoom(ctx context.Context) error {
	for {
		before := l.room()
		err := l.open(ctx)
		if err == nil {
			return nil
		}
		l.disconnect()
		// Room may have come, or gone, while it was tried.
		if !errors.Is(before, ErrFull) && !errors.Is(l.room(), ErrFull) {
			return err
		}
		l.opts.Logger.Error("Event log cannot be opened without room, waiting for it", "error", err)
		if short := l.awaitRoom(ctx); short != nil {
			return fmt.Errorf("%w: %w", short, err)
		}
	}
}

// awaitRoom waits until the file system has room. It returns an error when the context ends before.
func (l *Log) awaitRoom(ctx context.Context) error {
	for {
		short := l.room()
		if !errors.Is(short, ErrFull) {
			return nil
		}
		select {
		case <-time.After(watchInterval):
		case <-ctx.Done():
			return fmt.Errorf("wait for room: %w", short)
		}
	}
}

// open starts the engine, connects and creates the streams. What it began when it fails, disconnect ends.
func (l *Log) open(ctx context.Context) error {
	var err error
	if l.engine, err = startEngine(l.opts); err != nil {
		return err
	}
	if l.producer, err = l.client("posthorn-producer"); err != nil {
		return err
	}
	if l.core, err = l.client("posthorn-dispatcher"); err != nil {
		return err
	}
	if err := l.createStreams(ctx); err != nil {
		return err
	}
	l.evictions.see(l.keys.CachedInfo().State, time.Now())
	return nil
}

// client opens a connection with a JetStream client on it.
func (l *Log) client(name string) (jetstream.JetStream, error) {
	conn, err := l.engine.connect(name)
	if err != nil {
		return nil, err
	}
	l.conns = append(l.conns, conn)
	js, err := jetstream.New(conn,
		jetstream.WithPublishAsyncMaxPending(32_768),
		jetstream.WithPublishAsyncTimeout(publishTimeout),
		jetstream.WithDefaultTimeout(publishTimeout))
	if err != nil {
		return nil, fmt.Errorf("create JetStream client: %w", err)
	}
	return js, nil
}

// publishTimeout bounds the wait for the engine's acknowledgement. An embedded engine answers in
// microseconds; where it does not, its disk is broken, and callers are told so.
const publishTimeout = 5 * time.Second

// Close stops the engine; another Close does nothing. What was acknowledged is on disk.
func (l *Log) Close() {
	l.closeOnce.Do(func() { close(l.closed) })
	l.watching.Wait()
	l.disconnect()
	_ = l.lock.Close() // nothing was written to it
}

// disconnect ends what open began.
func (l *Log) disconnect() {
	for _, c := range l.conns {
		c.Close()
	}
	l.conns = nil
	if l.engine != nil {
		l.engine.close()
	}
}

// MaxBytes is what all streams together may take.
func (l *Log) MaxBytes() int64 { return l.opts.MaxBytes }

// SyncInterval is how long what was acknowledged may stay unsynced; see Options.
func (l *Log) SyncInterval() time.Duration { return l.opts.SyncInterval }

// Usage is the engine's size, in bytes: of everything, and of the events alone, with their limit.
type Usage struct {
	Total, TotalLimit   int64
	Events, EventsLimit int64
}

// Usage asks the engine for its size.
func (l *Log) Usage(ctx context.Context) (Usage, error) {
	asking, done := l.engine.during(ctx)
	defer done()
	account, err := l.core.AccountInfo(asking)
	if err != nil {
		return Usage{}, classify("read usage", err)
	}
	events, err := l.info(ctx, l.events, "read usage")
	if err != nil {
		return Usage{}, err
	}
	return Usage{
		Total: int64(account.Store), TotalLimit: l.opts.MaxBytes, //nolint:gosec // bytes on a disk
		Events: int64(events.State.Bytes), EventsLimit: events.Config.MaxBytes, //nolint:gosec // likewise
	}, nil
}

// info asks the engine about a stream.
func (l *Log) info(ctx context.Context, s jetstream.Stream, verb string) (*jetstream.StreamInfo, error) {
	ctx, done := l.engine.during(ctx)
	defer done()
	info, err := s.Info(ctx)
	return info, classify(verb, err)
}

// purge has the engine remove messages of a stream.
func (l *Log) purge(ctx context.Context, s jetstream.Stream, verb string, which ...jetstream.StreamPurgeOpt) error {
	ctx, done := l.engine.during(ctx)
	defer done()
	return classify(verb, s.Purge(ctx, which...))
}

// storageLimit is the configured limit, cut to the file system's share.
func storageLimit(dir string, configured int64) (int64, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, fmt.Errorf("create data directory: %w", err)
	}
	_, size, err := fileSystem(dir)
	if err != nil {
		return 0, err
	}
	limit := int64(float64(size) * diskShare)
	if configured > 0 && configured < limit {
		limit = configured
	}
	return limit, nil
}
