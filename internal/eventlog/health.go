// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"fmt"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	// watchInterval is how often the log looks at its engine and at the file system.
	watchInterval = 500 * time.Millisecond
	// reserveBytes is what must be free on the file system for events to be taken: the rest is for what
	// follows from those that are stored. On a small file system it is reserveShare of it.
	reserveBytes = 64 << 20
	reserveShare = 0.1
)

// Health is nil while the log can be written. ErrFull means that the file system has too little room for
// more events; ErrUnavailable that the engine could not write, or is being started again.
func (l *Log) Health() error {
	if err := l.ill.Load(); err != nil {
		return *err
	}
	return nil
}

// watch looks after the engine until the log is closed: it refuses events while there is too little room,
// and starts the engine again after it could not write.
func (l *Log) watch() {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	again := backoff.NewExponentialBackOff()
	again.InitialInterval, again.MaxInterval = watchInterval, 10*time.Second
	var notBefore time.Time
	for {
		select {
		case <-l.closed:
			return
		case now := <-ticker.C:
			broken, short := l.engine.health(), l.room()
			if broken == nil {
				again.Reset()
				l.setHealth(short)
				continue
			}
			l.setHealth(fmt.Errorf("%w: %w", ErrUnavailable, broken))
			if short == nil && now.After(notBefore) {
				l.reopen()
				notBefore = time.Now().Add(again.NextBackOff())
			}
		}
	}
}

// setHealth notes how the log is, and logs a change.
func (l *Log) setHealth(err error) {
	var next *error
	if err != nil {
		next = &err
	}
	before := l.ill.Swap(next)
	switch {
	case err == nil && before != nil:
		l.opts.Logger.Info("Event log can be written again")
	case err != nil && (before == nil || (*before).Error() != err.Error()):
		l.opts.Logger.Error("Event log cannot be written", "error", err)
	}
}

// reopen starts the engine again. Clients reconnect by themselves, and readers of events go on where they
// were.
func (l *Log) reopen() {
	start := time.Now()
	if err := l.engine.restart(); err != nil {
		l.opts.Logger.Error("Failed to start the engine again, trying later", "error", err)
		return
	}
	l.opts.Logger.Info("Started the engine again", "duration", time.Since(start).String())
}

// room is nil while the file system has room for events.
func (l *Log) room() error {
	free, size, err := fileSystem(l.opts.Dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if reserve := min(reserveBytes, int64(float64(size)*reserveShare)); free < reserve {
		return fmt.Errorf("%w: the file system of %s has less than %d MiB free", ErrFull, l.opts.Dir, max(reserve>>20, 1))
	}
	return nil
}

// fileSystem is how many bytes the file system of a directory has free, and in all.
func fileSystem(dir string) (free, size int64, err error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, 0, fmt.Errorf("look at file system of %s: %w", dir, err)
	}
	return int64(fs.Bavail) * fs.Bsize, int64(fs.Blocks) * fs.Bsize, nil //nolint:gosec // bytes on a disk
}
