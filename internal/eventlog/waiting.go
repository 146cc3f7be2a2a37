// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"
)

// Place is where a waiting delivery or a dead letter belongs: the subscription's namespace and
// name, and the endpoint, whose namespace may be another.
type Place struct {
	Namespace, Subscription         string
	EndpointNamespace, EndpointName string
}

// subject is the place's subject below a stream's prefix.
func (p Place) subject(prefix string) string {
	endpoint := token(p.EndpointName)
	if p.EndpointNamespace != p.Namespace {
		endpoint = p.EndpointNamespace + "/" + endpoint
	}
	return prefix + p.Namespace + "." + endpoint + "." + token(p.Subscription)
}

// StoreWaiting stores a delivery that waits. The caller awaits the Ack.
func (l *Log) StoreWaiting(p Place, data []byte) Ack {
	return publish(l.core, p.subject(subjectWaiting), data)
}

// StoreDeadLetter stores a delivery that ended without success. The caller awaits the Ack.
func (l *Log) StoreDeadLetter(p Place, data []byte) Ack {
	return publish(l.core, p.subject(subjectDeadLetters), data)
}

// Waiting reads one waiting delivery; ErrNotFound when it was removed.
func (l *Log) Waiting(ctx context.Context, seq uint64) (Message, error) {
	return l.one(ctx, streamWaiting, getRequest{Seq: seq})
}

// RemoveWaiting removes a waiting delivery. Removing one that is gone is no error.
func (l *Log) RemoveWaiting(ctx context.Context, seq uint64) error {
	asking, done := l.engine.during(ctx)
	defer done()
	err := l.waiting.DeleteMsg(asking, seq)
	if errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		// The client drops the code that says why, so look whether there was nothing to remove.
		if _, gone := l.Waiting(ctx, seq); errors.Is(gone, ErrNotFound) {
			return nil
		}
	}
	return classify("remove waiting delivery", err)
}

// ScanWaiting calls handle for the waiting deliveries in the range [from, to], oldest first.
func (l *Log) ScanWaiting(ctx context.Context, from, to uint64, handle func(Message)) error {
	if to < from {
		return nil
	}
	return l.scan(ctx, l.waiting, "", from, func(m Message) {
		if m.Seq <= to {
			handle(m)
		}
	})
}

// ScanDeadLetters calls handle for the dead letters from the sequence on, oldest first.
func (l *Log) ScanDeadLetters(ctx context.Context, from uint64, handle func(Message)) error {
	return l.scan(ctx, l.deadLetters, "", from, handle)
}

// LastWaiting is the newest sequence of the waiting deliveries; 0 when there never was one.
func (l *Log) LastWaiting(ctx context.Context) (uint64, error) { return l.lastOf(ctx, l.waiting) }

// LastDeadLetter is the newest sequence of the dead letters; 0 when there never was one.
func (l *Log) LastDeadLetter(ctx context.Context) (uint64, error) {
	return l.lastOf(ctx, l.deadLetters)
}

// lastOf is a stream's last sequence.
func (l *Log) lastOf(ctx context.Context, s jetstream.Stream) (uint64, error) {
	info, err := l.info(ctx, s, "read last sequence")
	if err != nil {
		return 0, err
	}
	return info.State.LastSeq, nil
}

// DeadLettersFrom reads up to n dead letters of a namespace from the sequence on, oldest first, and
// fewer when they are large. None left is an empty answer, not an error.
func (l *Log) DeadLettersFrom(ctx context.Context, namespace string, from uint64, n int) ([]Message, error) {
	return l.page(ctx, streamDeadLetters, getRequest{
		Seq: max(from, 1), Batch: n, NextFor: subjectDeadLetters + namespace + ".>",
	})
}

// CountDeadLetters is how many dead letters of a namespace there are from the sequence on.
func (l *Log) CountDeadLetters(ctx context.Context, namespace string, from uint64) (uint64, error) {
	return l.count(ctx, streamDeadLetters, subjectDeadLetters+namespace+".>", from)
}

// page is get, with nothing found as an empty answer.
func (l *Log) page(ctx context.Context, stream string, r getRequest) ([]Message, error) {
	found, err := l.get(ctx, stream, r)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return found, err
}
