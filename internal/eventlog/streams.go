// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Names of the streams, and the first tokens of their subjects.
const (
	streamEvents      = "posthorn_events"
	streamWaiting     = "posthorn_waiting"
	streamDeadLetters = "posthorn_deadletters"
	streamAttempts    = "posthorn_attempts"
	streamKeys        = "posthorn_keys"
	streamState       = "posthorn_state"
	streamObjects     = "posthorn_objects"

	subjectEvents      = "posthorn.events."
	subjectWaiting     = "posthorn.waiting."
	subjectDeadLetters = "posthorn.deadletters."
	subjectAttempts    = "posthorn.attempts."
	subjectKeys        = "posthorn.keys."
	subjectState       = "posthorn.state."
	subjectObjects     = "posthorn.objects."
)

// bytesOrUnlimited is a limit as JetStream writes it.
func bytesOrUnlimited(n int64) int64 {
	if n == 0 {
		return -1
	}
	return n
}

// createStreams creates or updates the streams. Events have a byte limit, and refuse at it. Dead
// letters may have one, and the oldest go. The others are bounded by the engine's own limit, and by what
// the dispatcher trims.
func (l *Log) createStreams(ctx context.Context) error {
	for _, s := range []struct {
		into *jetstream.Stream
		cfg  jetstream.StreamConfig
	}{
		{&l.events, jetstream.StreamConfig{
			Name: streamEvents, Subjects: []string{subjectEvents + ">"},
			Discard: jetstream.DiscardNew, MaxBytes: int64(float64(l.opts.MaxBytes) * eventShare),
		}},
		{&l.waiting, jetstream.StreamConfig{Name: streamWaiting, Subjects: []string{subjectWaiting + ">"}}},
		{&l.deadLetters, jetstream.StreamConfig{
			Name: streamDeadLetters, Subjects: []string{subjectDeadLetters + ">"}, MaxAge: l.opts.DeadLetterAge,
			MaxBytes: bytesOrUnlimited(l.opts.DeadLetterBytes),
		}},
		{&l.attempts, jetstream.StreamConfig{Name: streamAttempts, Subjects: []string{subjectAttempts + ">"}}},
		{&l.keys, jetstream.StreamConfig{
			Name: streamKeys, Subjects: []string{subjectKeys + ">"}, MaxAge: l.opts.KeyAge,
			MaxMsgs: l.opts.MaxKeys, MaxMsgsPerSubject: 1,
		}},
		{&l.state, jetstream.StreamConfig{
			Name: streamState, Subjects: []string{subjectState + ">"}, MaxMsgsPerSubject: 1, AllowMsgTTL: true,
		}},
		{&l.objects, jetstream.StreamConfig{
			Name: streamObjects, Subjects: []string{subjectObjects + ">"}, MaxMsgsPerSubject: 1, AllowMsgTTL: true,
		}},
	} {
		s.cfg.Storage, s.cfg.AllowDirect = jetstream.FileStorage, true
		// The window of JetStream's own deduplication, which Posthorn does not use.
		s.cfg.Duplicates = time.Second
		stream, err := l.core.CreateOrUpdateStream(ctx, s.cfg)
		if err != nil {
			return fmt.Errorf("create stream %s: %w", s.cfg.Name, err)
		}
		*s.into = stream
	}
	return nil
}
