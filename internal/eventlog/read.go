// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// scan calls handle for every message that a stream holds from the sequence on, oldest first, and
// returns at its end. A filter narrows it to the subjects that match; empty means all.
func (l *Log) scan(ctx context.Context, s jetstream.Stream, filter string, from uint64, handle func(Message)) error {
	cfg := jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(from, 1), FilterSubject: filter,
	}
	return l.consume(ctx, s, cfg, func(m jetstream.Msg) bool {
		l.scanned.Add(1)
		if msg, ok := received(m); ok {
			handle(msg)
		}
		return true
	})
}

// Scanned returns how many stored messages were read one after the other, as it is done after a start.
func (l *Log) Scanned() uint64 { return l.scanned.Load() }

// scanPause is how long nothing comes before the engine is asked whether there is more.
const scanPause = 250 * time.Millisecond

// consume calls handle for every message that a stream holds for a consumer, oldest first, and returns at
// the end of the stream, or when handle wants no more.
func (l *Log) consume(
	ctx context.Context, s jetstream.Stream, cfg jetstream.ConsumerConfig, handle func(jetstream.Msg) bool,
) error {
	cfg.AckPolicy, cfg.MemoryStorage, cfg.InactiveThreshold = jetstream.AckNonePolicy, true, time.Minute
	consumer, err := s.CreateConsumer(ctx, cfg)
	if err != nil {
		return classify("scan", err)
	}
	first := consumer.CachedInfo()
	defer func() { _ = s.DeleteConsumer(context.WithoutCancel(ctx), first.Name) }()
	if first.NumPending == 0 {
		return nil
	}
	r := &reading{handle: handle, left: first.NumPending, ended: make(chan error, 1)}
	defer r.end(nil) // no message is handled behind the return
	stream, err := consumer.Consume(r.take, ahead, jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
		r.end(fmt.Errorf("scan: %w: %w", ErrUnavailable, err))
	}))
	if err != nil {
		return classify("scan", err)
	}
	defer stream.Stop()
	pause := time.NewTicker(scanPause)
	defer pause.Stop()
	for before := uint64(0); ; {
		select {
		case err := <-r.ended:
			return err
		case <-ctx.Done():
			return fmt.Errorf("scan: %w", ctx.Err())
		case <-pause.C:
		}
		taken := r.count()
		if taken == before { // what is left was removed meanwhile, or the engine was started again and knows the consumer no more
			info, err := consumer.Info(ctx)
			if err != nil {
				return classify("scan", err)
			}
			if info.NumPending == 0 && info.Delivered.Consumer == r.count() {
				return nil
			}
		}
		before = taken
	}
}

// reading is a scan that goes on.
type reading struct {
	handle func(jetstream.Msg) bool
	ended  chan error

	mu sync.Mutex
	// taken counts the messages that were handled, and left is how many there were when it began.
	taken, left uint64
	over        bool
}

// take hands over a message, unless the scan has ended.
func (r *reading) take(m jetstream.Msg) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return
	}
	more := r.handle(m)
	if r.taken++; r.taken >= r.left || !more {
		r.finish(nil)
	}
}

// end has the scan return, once a message that is being handled is; only the first reason counts.
func (r *reading) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.over {
		r.finish(err)
	}
}

// finish is what take and end have in common. The caller holds the mutex.
func (r *reading) finish(err error) {
	r.over = true
	r.ended <- err
}

// count is how many messages were handled.
func (r *reading) count() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.taken
}

// getRequest is the body of a direct get (NATS ADR-31).
type getRequest struct {
	Seq       uint64     `json:"seq,omitempty"`
	Batch     int        `json:"batch,omitempty"`
	MaxBytes  int        `json:"max_bytes,omitempty"`
	NextFor   string     `json:"next_by_subj,omitempty"`
	LastFor   string     `json:"last_by_subj,omitempty"`
	UpToSeq   uint64     `json:"up_to_seq,omitempty"`
	StartTime *time.Time `json:"start_time,omitempty"`
}

// maxBatchBytes bounds the answer to one direct get.
const maxBatchBytes = 16 << 20

// directGet is the subject of direct gets from a stream.
const directGet = "$JS.API.DIRECT.GET."

// one reads one message directly, without a consumer; ErrNotFound when it is not there. It goes over the
// connection's own inbox: a subscription for each would make room for as many answers as batches have.
func (l *Log) one(ctx context.Context, stream string, r getRequest) (Message, error) {
	m, err := l.first(ctx, stream, r)
	if err != nil {
		return Message{}, err
	}
	return direct(m)
}

// first is the first answer to a direct get; ErrNotFound when there is none.
func (l *Log) first(ctx context.Context, stream string, r getRequest) (*nats.Msg, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	m, err := l.core.Conn().RequestWithContext(ctx, directGet+stream, body)
	if err != nil {
		if ctx.Err() != nil {
			err = nats.ErrTimeout
		}
		return nil, classify("get", err)
	}
	switch m.Header.Get("Status") {
	case "":
		return m, nil
	case "404":
		return nil, fmt.Errorf("get: %w", ErrNotFound)
	default:
		return nil, fmt.Errorf("get: %w: %s", ErrUnavailable, m.Header.Get("Description"))
	}
}

// headerBehind is how many messages that a batch could hold are behind one of its messages.
const headerBehind = "Nats-Num-Pending"

// count is how many messages of the subjects that match a stream holds from the sequence on.
func (l *Log) count(ctx context.Context, stream, filter string, from uint64) (uint64, error) {
	m, err := l.first(ctx, stream, getRequest{Seq: max(from, 1), Batch: 1, NextFor: filter})
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	behind, err := strconv.ParseUint(m.Header.Get(headerBehind), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read number of stored messages: %w", err)
	}
	return behind + 1, nil
}

// get reads a batch of messages directly. It returns ErrNotFound when there are none.
func (l *Log) get(ctx context.Context, stream string, r getRequest) ([]Message, error) {
	conn := l.core.Conn()
	inbox := conn.NewRespInbox()
	sub, err := conn.SubscribeSync(inbox)
	if err != nil {
		return nil, classify("get", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	r.MaxBytes = maxBatchBytes
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	if err := conn.PublishRequest(directGet+stream, inbox, body); err != nil {
		return nil, classify("get", err)
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	return collect(ctx, sub)
}

// collect gathers the answers to a direct get of a batch, up to its end mark.
func collect(ctx context.Context, sub *nats.Subscription) ([]Message, error) {
	var all []Message
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			if ctx.Err() != nil {
				err = nats.ErrTimeout
			}
			return nil, classify("get", err)
		}
		switch m.Header.Get("Status") {
		case "":
		case "204": // the batch's end
			return all, nil
		case "404":
			if len(all) > 0 {
				return all, nil
			}
			return nil, fmt.Errorf("get: %w", ErrNotFound)
		default:
			return nil, fmt.Errorf("get: %w: %s", ErrUnavailable, m.Header.Get("Description"))
		}
		msg, err := direct(m)
		if err != nil {
			return nil, err
		}
		all = append(all, msg)
	}
}

// direct reads the sequence and time of a directly read message from its headers.
func direct(m *nats.Msg) (Message, error) {
	seq, err1 := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
	at, err2 := time.Parse(time.RFC3339Nano, m.Header.Get(jetstream.TimeStampHeaer))
	if err := errors.Join(err1, err2); err != nil {
		return Message{}, fmt.Errorf("read stored message: %w", err)
	}
	return Message{Seq: seq, Time: at, Data: m.Data}, nil
}

// at is the sequence of a stream's first message at or after the time; ErrNotFound when there is none. Mostly that is
// the first of all, and then no message is read: the engine would read a block of up to 8 MiB for it, and keep it for
// 10 seconds and more.
func (l *Log) at(ctx context.Context, s jetstream.Stream, t time.Time) (uint64, error) {
	info, err := l.info(ctx, s, "read first message")
	switch {
	case err != nil:
		return 0, err
	case info.State.Msgs == 0:
		return 0, fmt.Errorf("get: %w", ErrNotFound)
	case !info.State.FirstTime.Before(t):
		return info.State.FirstSeq, nil
	}
	found, err := l.get(ctx, info.Config.Name, getRequest{StartTime: &t, Batch: 1})
	if err != nil {
		return 0, err
	}
	if len(found) == 0 {
		return 0, fmt.Errorf("get: %w", ErrNotFound)
	}
	return found[0].Seq, nil
}
