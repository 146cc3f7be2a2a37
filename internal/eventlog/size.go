// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// messageOverhead is what the engine counts for a message beside its subject and its data: its length (4
// bytes), sequence (8), time (8), the subject's length (2) and a checksum (8).
const messageOverhead = 4 + 8 + 8 + 2 + 8

// EventSize is how many bytes of the storage an event of the namespace takes, by the length of its record.
func EventSize(namespace string, record int) int {
	return messageOverhead + len(subjectEvents) + len(namespace) + record
}

// WaitingSize is how many bytes of the storage a waiting delivery takes, by the length of its data.
func WaitingSize(p Place, data int) int {
	return messageOverhead + len(p.subject(subjectWaiting)) + data
}

// DeadLetterSize is how many bytes of the storage a dead letter takes, by the length of its data.
func DeadLetterSize(p Place, data int) int {
	return messageOverhead + len(p.subject(subjectDeadLetters)) + data
}

// Size is what one stored message takes of the storage.
type Size struct {
	Seq       uint64
	Time      time.Time
	Namespace string
	Bytes     int
}

// EventSizes calls handle for the events in the range [from, to], oldest first, without reading what they say.
func (l *Log) EventSizes(ctx context.Context, from, to uint64, handle func(Size)) error {
	return l.sizes(ctx, l.events, subjectEvents, from, to, handle)
}

// DeadLetterSizes calls handle for the dead letters in the range [from, to], oldest first, without reading what
// they say.
func (l *Log) DeadLetterSizes(ctx context.Context, from, to uint64, handle func(Size)) error {
	return l.sizes(ctx, l.deadLetters, subjectDeadLetters, from, to, handle)
}

// sizes reads the sizes of a stream's messages.
func (l *Log) sizes(ctx context.Context, s jetstream.Stream, prefix string, from, to uint64, handle func(Size)) error {
	if to < from {
		return nil
	}
	cfg := jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(from, 1), HeadersOnly: true,
	}
	return l.consume(ctx, s, cfg, func(m jetstream.Msg) bool {
		meta, err := m.Metadata()
		if err != nil {
			return true // not a message of a stream: nothing that we stored
		}
		if meta.Sequence.Stream > to {
			return false
		}
		namespace, _, _ := strings.Cut(strings.TrimPrefix(m.Subject(), prefix), ".")
		data, _ := strconv.Atoi(m.Headers().Get(nats.MsgSize)) // the engine's own
		handle(Size{meta.Sequence.Stream, meta.Timestamp, namespace, messageOverhead + len(m.Subject()) + data})
		return meta.Sequence.Stream < to
	})
}

// FirstDeadLetter is the sequence of the oldest dead letter that is still there; one past the last when there
// is none.
func (l *Log) FirstDeadLetter(ctx context.Context) (uint64, error) {
	info, err := l.info(ctx, l.deadLetters, "read first dead letter")
	if err != nil {
		return 0, err
	}
	return info.State.FirstSeq, nil
}

// TrimEventsOf removes a namespace's events below the sequence. The caller answers for their being settled.
func (l *Log) TrimEventsOf(ctx context.Context, namespace string, below uint64) error {
	return l.purge(ctx, l.events, "trim events of namespace", jetstream.WithPurgeSubject(subjectEvents+namespace), jetstream.WithPurgeSequence(below))
}

// TrimDeadLetters removes the dead letters below the sequence, whosever they are.
func (l *Log) TrimDeadLetters(ctx context.Context, below uint64) error {
	return l.purge(ctx, l.deadLetters, "trim dead letters", jetstream.WithPurgeSequence(below))
}

// TrimDeadLettersOf removes a namespace's dead letters below the sequence.
func (l *Log) TrimDeadLettersOf(ctx context.Context, namespace string, below uint64) error {
	return l.purge(ctx, l.deadLetters, "trim dead letters of namespace", jetstream.WithPurgeSubject(subjectDeadLetters+namespace+".>"), jetstream.WithPurgeSequence(below))
}
