// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Message is one stored message.
type Message struct {
	// Seq is its sequence in its stream, from 1.
	Seq uint64
	// Time is when it was stored.
	Time time.Time
	// Data are its bytes; the receiver owns them.
	Data []byte
}

// Append stores the records of one namespace's events and returns once each is durable, with their
// sequences. On an error the sequence of a record that is not known to be stored is 0, and the others
// are stored all the same: a producer that tries again relies on deduplication.
//
// ErrFull means that each record without a sequence was refused. After any other error, such as
// ErrUnavailable, it may be stored nevertheless, or later: RecentEvents tells. While Health reports
// one of the two, nothing is tried.
func (l *Log) Append(ctx context.Context, namespace string, records [][]byte) ([]uint64, error) {
	if err := l.Health(); err != nil {
		return make([]uint64, len(records)), fmt.Errorf("append event: %w", err)
	}
	subject := subjectEvents + namespace
	acks := make([]Ack, len(records))
	for i, r := range records {
		acks[i] = publish(l.producer, subject, r)
	}
	seqs := make([]uint64, len(records))
	var failed error
	for i, a := range acks {
		seq, err := a.Wait(ctx)
		if err != nil && (failed == nil || errors.Is(failed, ErrFull)) {
			failed = fmt.Errorf("append event: %w", err)
		}
		seqs[i] = seq
	}
	return seqs, failed
}

// Ack is a message on its way into a stream.
type Ack struct {
	future jetstream.PubAckFuture
	err    error
}

// publish sends a message without waiting for its acknowledgement.
func publish(js jetstream.JetStream, subject string, data []byte, opts ...jetstream.PublishOpt) Ack {
	future, err := js.PublishAsync(subject, data, opts...)
	return Ack{future, err}
}

// Wait returns the message's sequence once it is stored.
func (a Ack) Wait(ctx context.Context) (uint64, error) {
	if a.err != nil {
		return 0, classify("publish", a.err)
	}
	select {
	case ack := <-a.future.Ok():
		return ack.Sequence, nil
	case err := <-a.future.Err():
		return 0, classify("publish", err)
	case <-ctx.Done():
		return 0, fmt.Errorf("publish: %w: %w", ErrUnavailable, ctx.Err())
	}
}

// LastEvent is the sequence of the newest event; 0 when there never was one.
func (l *Log) LastEvent(ctx context.Context) (uint64, error) {
	info, err := l.info(ctx, l.events, "read last event")
	if err != nil {
		return 0, err
	}
	return info.State.LastSeq, nil
}

// subjectNoEvent is the subject of what goes to the stream and is no event. An underscore is in no namespace's name.
const subjectNoEvent = subjectEvents + "_"

// SkipEvents has every later event get a sequence above last, and returns how many sequences are skipped for it.
// JetStream has no call for that on a stream that holds messages, so that many messages are stored and removed.
func (l *Log) SkipEvents(ctx context.Context, last uint64) (skipped uint64, err error) {
	newest, err := l.LastEvent(ctx)
	if err != nil || newest >= last {
		return 0, err
	}
	for newest < last {
		acks := make([]Ack, min(last-newest, skipBatch))
		for i := range acks {
			acks[i] = publish(l.core, subjectNoEvent, nil)
		}
		for _, a := range acks {
			if newest, err = a.Wait(ctx); err != nil {
				return skipped, fmt.Errorf("skip events: %w", err)
			}
			skipped++
		}
	}
	return skipped, l.purge(ctx, l.events, "skip events", jetstream.WithPurgeSubject(subjectNoEvent))
}

// skipBatch is how many messages SkipEvents sends at once.
const skipBatch = 4_096

// FirstEvent is the sequence of the oldest event that is still there.
func (l *Log) FirstEvent(ctx context.Context) (uint64, error) {
	info, err := l.info(ctx, l.events, "read first event")
	if err != nil {
		return 0, err
	}
	return info.State.FirstSeq, nil
}

// ReadEvents calls handle for every event from the sequence on, once and in order, until stop is called,
// also when the engine is started again meanwhile. A handle that blocks holds back the reading, and costs
// no memory.
func (l *Log) ReadEvents(ctx context.Context, from uint64, handle func(Message)) (stop func(), err error) {
	consumer, err := l.events.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(from, 1),
	})
	if err != nil {
		return nil, classify("read events", err)
	}
	last := max(from, 1) - 1
	reading, err := consumer.Consume(func(m jetstream.Msg) {
		if msg, ok := received(m); ok && msg.Seq > last {
			last = msg.Seq
			handle(msg)
		}
	}, ahead)
	if err != nil {
		return nil, classify("read events", err)
	}
	return func() {
		reading.Stop()
		<-reading.Closed()
	}, nil
}

// ahead is what the client asks for at once: so many messages, of so many bytes together. What a handle that blocks
// leaves waiting is twice that at most; of what is more than 64 MiB the client drops.
var ahead = jetstream.PullMaxMessagesWithBytesLimit(2_000, 4*maxPayload)

// received turns a message of the client into ours.
func received(m jetstream.Msg) (Message, bool) {
	meta, err := m.Metadata()
	if err != nil {
		return Message{}, false // not a message of a stream: nothing that we stored
	}
	return Message{Seq: meta.Sequence.Stream, Time: meta.Timestamp, Data: m.Data()}, true
}

// TrimEvents removes the events below the sequence. The caller answers for their being settled.
func (l *Log) TrimEvents(ctx context.Context, below uint64) error {
	return l.purge(ctx, l.events, "trim events", jetstream.WithPurgeSequence(below))
}

// EventAt is the sequence of the first event stored at or after that time; ErrNotFound when there
// is none.
func (l *Log) EventAt(ctx context.Context, at time.Time) (uint64, error) {
	return l.at(ctx, l.events, at)
}

// Event reads one event; ErrNotFound when it was trimmed.
func (l *Log) Event(ctx context.Context, seq uint64) (Message, error) {
	return l.one(ctx, streamEvents, getRequest{Seq: seq})
}
