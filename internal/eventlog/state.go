// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"context"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// StateKey names one value of the small state: what it is about, and the object's namespace and
// name. A value about no object has neither.
type StateKey struct {
	Kind, Namespace, Name string
}

// String is the key's subject tail.
func (k StateKey) String() string {
	if k.Namespace == "" {
		return k.Kind
	}
	return k.Kind + "." + k.Namespace + "." + token(k.Name)
}

// parseStateKey reads the subject tail that String wrote.
func parseStateKey(s string) StateKey {
	kind, rest, _ := strings.Cut(s, ".")
	namespace, name, _ := strings.Cut(rest, ".")
	return StateKey{kind, namespace, parseToken(name)}
}

// PutState stores the values, each in place of the one before, and returns when all are durable.
func (l *Log) PutState(ctx context.Context, values map[StateKey][]byte) error {
	acks := make([]Ack, 0, len(values))
	for k, v := range values {
		acks = append(acks, publish(l.core, subjectState+k.String(), v))
	}
	for _, a := range acks {
		if _, err := a.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// State reads all values.
func (l *Log) State(ctx context.Context) (map[StateKey][]byte, error) {
	values := map[StateKey][]byte{}
	cfg := jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy}
	err := l.consume(ctx, l.state, cfg, func(m jetstream.Msg) bool {
		if !isRemoved(m.Data()) {
			values[parseStateKey(strings.TrimPrefix(m.Subject(), subjectState))] = m.Data()
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	return values, nil
}

// RemoveState removes a value. Removing one that is not there is no error.
func (l *Log) RemoveState(ctx context.Context, k StateKey) error {
	return l.remove(ctx, l.state, "remove state", []string{subjectState + k.String()})
}
