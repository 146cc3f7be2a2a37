// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"net/http"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/retry"
)

// Verdict is what an attempt says about the health of its endpoint: failures that are about one
// event or about us say nothing.
func (r *Response) Verdict() breaker.Verdict {
	switch r.Reason {
	case ReasonNone:
		return breaker.Success
	case ReasonPayload, ReasonInterrupted, ReasonBlocked:
		return breaker.Neutral
	}
	switch r.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
		http.StatusUnprocessableEntity, http.StatusTooManyRequests: // the last asks for a pause, and gets it
		return breaker.Neutral
	}
	return breaker.Failure
}

// Decision is what follows from an attempt.
type Decision struct {
	Outcome Outcome
	// DeadLetter is set when Outcome is OutcomeDeadLettered.
	DeadLetter DeadLetterReason
	// Disable is set when the endpoint is to be disabled (410).
	Disable bool
}

// Decide turns the response to an attempt, the attempt's number, and the policy into what follows.
// retries says whether the schedule has another attempt.
func Decide(r *Response, policy *retry.Policy, retries bool) Decision {
	switch {
	case r.Reason == ReasonNone:
		return Decision{Outcome: OutcomeDelivered}
	case r.Reason == ReasonGone:
		return Decision{Outcome: OutcomeDeadLettered, DeadLetter: DeadEndpointDisabled, Disable: true}
	case r.Reason == ReasonPayload:
		return Decision{Outcome: OutcomeDeadLettered, DeadLetter: DeadPayloadFailed}
	case r.StatusCode != 0 && policy.GivesUpOn(r.StatusCode):
		return Decision{Outcome: OutcomeDeadLettered, DeadLetter: DeadGaveUp}
	case !retries:
		return Decision{Outcome: OutcomeDeadLettered, DeadLetter: DeadRetriesExhausted}
	}
	return Decision{Outcome: OutcomeRetry}
}
