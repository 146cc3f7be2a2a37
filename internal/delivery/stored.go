// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"fmt"
	"time"

	"github.com/posthorn-dev/posthorn/internal/wire"
)

// Stored is a delivery outside memory: one that waits, or a dead letter. It carries the event
// itself, so that the retention of the event log never waits for a slow endpoint.
type Stored struct {
	// EventSeq is the event's sequence in the event log that it was accepted in. With Subscription
	// and Kind it names the pair that this is the state of.
	EventSeq     uint64
	Subscription Name
	Kind         Kind
	// Endpoint is where it goes.
	Endpoint Name
	// Attempts is how many attempts were made so far.
	Attempts int
	// AcceptedAt is when the event was accepted, which maxAge counts from.
	AcceptedAt time.Time
	// Due is when the next attempt is to be made; the zero time means as soon as there is room.
	Due time.Time
	// InFlight marks one that was stored while a request for it was under way, so that its event
	// could settle.
	InFlight bool
	// LastReason, LastStatus and LastTime are those of the last attempt, if one was made.
	LastReason FailureReason
	LastStatus int
	LastTime   time.Time
	// DeadLetter says why it ended, in a dead letter and in its delivery to a dead-letter endpoint.
	DeadLetter DeadLetterReason
	// DeadAt is when it ended.
	DeadAt time.Time
	// DeadEndpoint and DeadAttempts are where it was to go and how often that was tried, in its delivery
	// to a dead-letter endpoint.
	DeadEndpoint Name
	DeadAttempts int
	// Event is the event's record.
	Event []byte
}

// storedVersion is the version of the records that Append writes; see package wire.
const storedVersion = 1

// Fields of a stored delivery. Number 1 is the version.
const (
	storedEventSeq wire.Number = iota + 2
	storedSubscriptionNamespace
	storedSubscriptionName
	storedKind
	storedEndpointNamespace
	storedEndpointName
	storedAttempts
	storedAcceptedAt
	storedDue
	storedInFlight
	storedLastReason
	storedLastStatus
	storedLastTime
	storedDeadLetter
	storedDeadAt
	storedEvent
	storedDeadEndpointNamespace
	storedDeadEndpointName
	storedDeadAttempts
)

// Append appends the record and returns the longer slice.
func (s *Stored) Append(dst []byte) []byte {
	dst = wire.AppendVersion(dst, storedVersion)
	dst = wire.AppendUint(dst, storedEventSeq, s.EventSeq)
	dst = wire.AppendString(dst, storedSubscriptionNamespace, s.Subscription.Namespace)
	dst = wire.AppendString(dst, storedSubscriptionName, s.Subscription.Name)
	dst = wire.AppendString(dst, storedKind, string(s.Kind))
	dst = wire.AppendString(dst, storedEndpointNamespace, s.Endpoint.Namespace)
	dst = wire.AppendString(dst, storedEndpointName, s.Endpoint.Name)
	dst = wire.AppendInt(dst, storedAttempts, s.Attempts)
	dst = wire.AppendTime(dst, storedAcceptedAt, s.AcceptedAt)
	dst = wire.AppendTime(dst, storedDue, s.Due)
	dst = wire.AppendBool(dst, storedInFlight, s.InFlight)
	dst = wire.AppendString(dst, storedLastReason, string(s.LastReason))
	dst = wire.AppendInt(dst, storedLastStatus, s.LastStatus)
	dst = wire.AppendTime(dst, storedLastTime, s.LastTime)
	dst = wire.AppendString(dst, storedDeadLetter, string(s.DeadLetter))
	dst = wire.AppendTime(dst, storedDeadAt, s.DeadAt)
	dst = wire.AppendString(dst, storedDeadEndpointNamespace, s.DeadEndpoint.Namespace)
	dst = wire.AppendString(dst, storedDeadEndpointName, s.DeadEndpoint.Name)
	dst = wire.AppendInt(dst, storedDeadAttempts, s.DeadAttempts)
	return wire.AppendBytes(dst, storedEvent, s.Event)
}

// DecodeStored reads what Append wrote. Event aliases b.
func DecodeStored(b []byte) (*Stored, error) {
	s := &Stored{}
	if err := wire.Read(b, storedVersion, s.set); err != nil {
		return nil, fmt.Errorf("decode stored delivery: %w", err)
	}
	return s, nil
}

// set takes one field.
func (s *Stored) set(f wire.Field) {
	if text := s.text(f.Number); text != nil {
		*text = f.String()
		return
	}
	switch f.Number {
	case storedEventSeq:
		s.EventSeq = f.Uint
	case storedKind:
		s.Kind = Kind(f.String())
	case storedAttempts:
		s.Attempts = f.Int()
	case storedInFlight:
		s.InFlight = f.Bool()
	case storedLastReason:
		s.LastReason = FailureReason(f.String())
	case storedDeadAttempts:
		s.DeadAttempts = f.Int()
	case storedLastStatus:
		s.LastStatus = f.Int()
	case storedDeadLetter:
		s.DeadLetter = DeadLetterReason(f.String())
	case storedEvent:
		s.Event = f.Bytes
	default:
		s.setTime(f)
	}
}

// setTime takes one field that is a time.
func (s *Stored) setTime(f wire.Field) {
	switch f.Number {
	case storedAcceptedAt:
		s.AcceptedAt = f.Time()
	case storedDue:
		s.Due = f.Time()
	case storedLastTime:
		s.LastTime = f.Time()
	case storedDeadAt:
		s.DeadAt = f.Time()
	}
}

// text is where a field of plain text goes; nil for the others.
func (s *Stored) text(n wire.Number) *string {
	switch n {
	case storedSubscriptionNamespace:
		return &s.Subscription.Namespace
	case storedSubscriptionName:
		return &s.Subscription.Name
	case storedEndpointNamespace:
		return &s.Endpoint.Namespace
	case storedEndpointName:
		return &s.Endpoint.Name
	case storedDeadEndpointNamespace:
		return &s.DeadEndpoint.Namespace
	case storedDeadEndpointName:
		return &s.DeadEndpoint.Name
	}
	return nil
}
