// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var (
	// ErrFull appears when a stream or the engine has no room for another message. What is stored
	// stays; the caller may try again once something was trimmed.
	ErrFull = errors.New("event log is full")
	// ErrTooLarge appears when a message is larger than the engine takes. To try again is of no use.
	ErrTooLarge = errors.New("larger than the event log takes")
	// ErrUnavailable appears when the engine did not answer in time or is closed.
	ErrUnavailable = errors.New("event log is unavailable")
	// ErrFenced appears when a flush finds that somebody else has written the shard's last flush.
	ErrFenced = errors.New("shard has another owner")
	// ErrNotFound appears when a message or a key is not there any more.
	ErrNotFound = errors.New("not found in the event log")
)

// Error codes of the JetStream API that mean a full store, and failed expectations.
const (
	codeInsufficientResources = 10023
	codeStoreFailed           = 10077 // "maximum bytes exceeded" and its like
	codeStorageExceeded       = 10047
	codeWrongLastSequence     = 10071
	codeOtherStream           = 10060
)

// classify turns an error of the client into one of this package's sentinels, wrapped.
func classify(verb string, err error) error {
	if err == nil {
		return nil
	}
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		switch api.ErrorCode {
		case codeInsufficientResources, codeStoreFailed, codeStorageExceeded:
			return fmt.Errorf("%s: %w: %w", verb, ErrFull, err)
		case codeWrongLastSequence:
			return fmt.Errorf("%s: %w: %w", verb, ErrFenced, err)
		}
	}
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%s: %w: %w", verb, ErrTooLarge, err)
	case errors.Is(err, jetstream.ErrMsgNotFound), errors.Is(err, jetstream.ErrKeyNotFound):
		return fmt.Errorf("%s: %w", verb, ErrNotFound)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout), errors.Is(err, nats.ErrConnectionClosed),
		errors.Is(err, nats.ErrDisconnected), errors.Is(err, nats.ErrReconnectBufExceeded),
		errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse),
		errors.Is(err, jetstream.ErrAsyncPublishTimeout), errors.Is(err, jetstream.ErrTooManyStalledMsgs),
		errors.Is(err, jetstream.ErrConnectionClosed), errors.Is(err, jetstream.ErrConsumerNotFound):
		return fmt.Errorf("%s: %w: %w", verb, ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", verb, err)
}
