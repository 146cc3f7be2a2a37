// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"context"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// ObjectKey names what is remembered of one watched object. Both parts are subject tokens: a watch is known by a
// hash of what it watches, an object by its UID.
type ObjectKey struct {
	Watch, UID string
}

// subject is the key's subject.
func (k ObjectKey) subject() string { return subjectObjects + k.Watch + "." + token(k.UID) }

// checkpoints is the first token of the checkpoints' subjects, which is no hash.
const checkpoints = "checkpoint"

// PutCheckpoint stores how far a watch has come, in place of the one before, and returns when it is durable.
func (l *Log) PutCheckpoint(ctx context.Context, watch string, data []byte) error {
	if _, err := publish(l.core, subjectObjects+checkpoints+"."+watch, data).Wait(ctx); err != nil {
		return fmt.Errorf("put checkpoint: %w", err)
	}
	return nil
}

// Checkpoints reads how far each watch has come.
func (l *Log) Checkpoints(ctx context.Context) (map[string][]byte, error) {
	values := map[string][]byte{}
	if err := l.Objects(ctx, checkpoints, func(watch string, data []byte) { values[watch] = data }); err != nil {
		return nil, err
	}
	return values, nil
}

// Checkpoint reads how far a watch has come; ErrNotFound when nothing is remembered of it.
func (l *Log) Checkpoint(ctx context.Context, watch string) ([]byte, error) {
	return l.Object(ctx, ObjectKey{checkpoints, watch})
}

// objectBatch is how many values, or removals, are sent to the engine before their acknowledgements are awaited.
const objectBatch = 4_096

// PutObjects remembers the values, each in place of the one before, and returns when all are durable. After an
// error some may be.
func (l *Log) PutObjects(ctx context.Context, values map[ObjectKey][]byte) error {
	acks := make([]Ack, 0, min(len(values), objectBatch))
	await := func() error {
		for _, a := range acks {
			if _, err := a.Wait(ctx); err != nil {
				return fmt.Errorf("put objects: %w", err)
			}
		}
		acks = acks[:0]
		return nil
	}
	for k, v := range values {
		acks = append(acks, publish(l.core, k.subject(), v))
		if len(acks) == objectBatch {
			if err := await(); err != nil {
				return err
			}
		}
	}
	return await()
}

// Objects calls handle for what is remembered of each object of a watch. data belongs to handle.
func (l *Log) Objects(ctx context.Context, watch string, handle func(uid string, data []byte)) error {
	prefix := subjectObjects + watch + "."
	cfg := jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy, FilterSubject: prefix + "*"}
	err := l.consume(ctx, l.objects, cfg, func(m jetstream.Msg) bool {
		if !isRemoved(m.Data()) {
			handle(parseToken(strings.TrimPrefix(m.Subject(), prefix)), m.Data())
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("read objects: %w", err)
	}
	return nil
}

// Object reads what is remembered of one object; ErrNotFound when there is nothing.
func (l *Log) Object(ctx context.Context, k ObjectKey) ([]byte, error) {
	m, err := l.one(ctx, streamObjects, getRequest{LastFor: k.subject()})
	if err == nil && isRemoved(m.Data) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read object: %w", err)
	}
	return m.Data, nil
}

// RemoveObjects forgets objects, and returns when that is durable. Forgetting one that is not there is no error.
func (l *Log) RemoveObjects(ctx context.Context, keys []ObjectKey) error {
	subjects := make([]string, len(keys))
	for i, k := range keys {
		subjects[i] = k.subject()
	}
	return l.remove(ctx, l.objects, "remove objects", subjects)
}

// RemoveWatch forgets all objects of a watch, and its checkpoint first: a watch without one begins anew.
func (l *Log) RemoveWatch(ctx context.Context, watch string) error {
	if err := l.remove(ctx, l.objects, "remove checkpoint", []string{subjectObjects + checkpoints + "." + watch}); err != nil {
		return err
	}
	var keys []ObjectKey
	if err := l.Objects(ctx, watch, func(uid string, _ []byte) { keys = append(keys, ObjectKey{watch, uid}) }); err != nil {
		return err
	}
	return l.RemoveObjects(ctx, keys)
}

// EventsBehind calls handle for the events behind a sequence, oldest first.
func (l *Log) EventsBehind(ctx context.Context, after uint64, handle func(Message)) error {
	return l.scan(ctx, l.events, "", after+1, handle)
}
