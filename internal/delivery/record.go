// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"fmt"
	"time"

	"github.com/posthorn-dev/posthorn/internal/wire"
)

// Outcome is what became of a delivery with one record of the attempt log.
type Outcome string

const (
	// OutcomeDelivered means that the attempt succeeded.
	OutcomeDelivered Outcome = "Delivered"
	// OutcomeRetry means that the attempt failed and another one is due.
	OutcomeRetry Outcome = "Retry"
	// OutcomeParked means that no attempt was made yet and the delivery waits in storage.
	OutcomeParked Outcome = "Parked"
	// OutcomeDeadLettered means that the delivery ended without success.
	OutcomeDeadLettered Outcome = "DeadLettered"
)

// Record is one entry of the attempt log: an attempt, or a step without one, such as parking.
type Record struct {
	// EventSeq, Subscription and Kind name the pair that the record is about.
	EventSeq     uint64
	Subscription Name
	Kind         Kind
	Endpoint     Name
	EventID      string
	EventType    string
	DeliveryID   string
	// First marks the pair's first record, so that counting them counts the matched deliveries.
	First bool
	// Attempt is the number of the attempt, from 1; without one it is how many were made before.
	Attempt int
	// Attempted tells an attempt from a step without one.
	Attempted bool
	// Time is when the attempt began or the step was made.
	Time     time.Time
	Duration time.Duration
	Outcome  Outcome
	// StatusCode is that of the answer; 0 when none came.
	StatusCode int
	// Reason and Message say why the attempt failed.
	Reason  FailureReason
	Message string
	// Response is the beginning of the answer's body.
	Response string
	// DeadLetter says why the delivery ended.
	DeadLetter DeadLetterReason
	// NextAttempt is when the next one is due.
	NextAttempt time.Time
}

// Fields of a record. It is nested in a flush, which has the version.
const (
	recordEventSeq wire.Number = iota + 2
	recordSubscriptionNamespace
	recordSubscriptionName
	recordKind
	recordEndpointNamespace
	recordEndpointName
	recordEventID
	recordEventType
	recordDeliveryID
	recordFirst
	recordAttempt
	recordAttempted
	recordTime
	recordDuration
	recordOutcome
	recordStatusCode
	recordReason
	recordMessage
	recordResponse
	recordDeadLetter
	recordNextAttempt
)

// Append appends the record and returns the longer slice.
func (r *Record) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, recordEventSeq, r.EventSeq)
	dst = wire.AppendString(dst, recordSubscriptionNamespace, r.Subscription.Namespace)
	dst = wire.AppendString(dst, recordSubscriptionName, r.Subscription.Name)
	dst = wire.AppendString(dst, recordKind, string(r.Kind))
	dst = wire.AppendString(dst, recordEndpointNamespace, r.Endpoint.Namespace)
	dst = wire.AppendString(dst, recordEndpointName, r.Endpoint.Name)
	dst = wire.AppendString(dst, recordEventID, r.EventID)
	dst = wire.AppendString(dst, recordEventType, r.EventType)
	dst = wire.AppendString(dst, recordDeliveryID, r.DeliveryID)
	dst = wire.AppendBool(dst, recordFirst, r.First)
	dst = wire.AppendInt(dst, recordAttempt, r.Attempt)
	dst = wire.AppendBool(dst, recordAttempted, r.Attempted)
	dst = wire.AppendTime(dst, recordTime, r.Time)
	dst = wire.AppendInt(dst, recordDuration, int(r.Duration))
	dst = wire.AppendString(dst, recordOutcome, string(r.Outcome))
	dst = wire.AppendInt(dst, recordStatusCode, r.StatusCode)
	dst = wire.AppendString(dst, recordReason, string(r.Reason))
	dst = wire.AppendString(dst, recordMessage, r.Message)
	dst = wire.AppendString(dst, recordResponse, r.Response)
	dst = wire.AppendString(dst, recordDeadLetter, string(r.DeadLetter))
	return wire.AppendTime(dst, recordNextAttempt, r.NextAttempt)
}

// DecodeRecord reads what Append wrote.
func DecodeRecord(b []byte) (Record, error) {
	var r Record
	err := wire.ReadFields(b, func(f wire.Field) error {
		r.set(f)
		return nil
	})
	if err != nil {
		return Record{}, fmt.Errorf("decode attempt record: %w", err)
	}
	return r, nil
}

// set takes one field.
func (r *Record) set(f wire.Field) {
	if text := r.text(f.Number); text != nil {
		*text = f.String()
		return
	}
	switch f.Number {
	case recordEventSeq:
		r.EventSeq = f.Uint
	case recordKind:
		r.Kind = Kind(f.String())
	case recordFirst:
		r.First = f.Bool()
	case recordAttempt:
		r.Attempt = f.Int()
	case recordAttempted:
		r.Attempted = f.Bool()
	case recordTime:
		r.Time = f.Time()
	case recordDuration:
		r.Duration = time.Duration(f.Int())
	case recordOutcome:
		r.Outcome = Outcome(f.String())
	case recordStatusCode:
		r.StatusCode = f.Int()
	case recordReason:
		r.Reason = FailureReason(f.String())
	case recordDeadLetter:
		r.DeadLetter = DeadLetterReason(f.String())
	case recordNextAttempt:
		r.NextAttempt = f.Time()
	}
}

// text is where a field of plain text goes; nil for the others.
func (r *Record) text(n wire.Number) *string {
	switch n {
	case recordSubscriptionNamespace:
		return &r.Subscription.Namespace
	case recordSubscriptionName:
		return &r.Subscription.Name
	case recordEndpointNamespace:
		return &r.Endpoint.Namespace
	case recordEndpointName:
		return &r.Endpoint.Name
	case recordEventID:
		return &r.EventID
	case recordEventType:
		return &r.EventType
	case recordDeliveryID:
		return &r.DeliveryID
	case recordMessage:
		return &r.Message
	case recordResponse:
		return &r.Response
	}
	return nil
}
