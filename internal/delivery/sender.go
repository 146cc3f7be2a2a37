// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"net/http"
	"time"

	"github.com/posthorn-dev/posthorn/internal/egress"
)

// Sender makes one HTTP request to an endpoint. Implementations guard egress, reuse connections,
// authenticate and enforce the endpoint's timeout; they never retry and never follow redirects.
type Sender interface {
	// Send posts the request and returns what came of it. It never returns an error: whatever goes
	// wrong is a FailureReason of the Response. Cancelling ctx makes it ReasonInterrupted.
	Send(ctx context.Context, r *Request) Response
}

// Request is one attempt, ready to be sent.
type Request struct {
	Endpoint *Endpoint
	// Header holds all headers but those of authentication and of the transport. Keys are canonical. The map is the
	// sender's to change, its values are not.
	Header http.Header
	Body   []byte
}

// Response is what came of an attempt.
type Response struct {
	// StatusCode is that of the answer; 0 when none came.
	StatusCode int
	// Reason is empty exactly when StatusCode is 2xx.
	Reason FailureReason
	// Message is one sentence for a user when Reason is set, at most 256 bytes, without secrets,
	// URLs and addresses.
	Message string
	// Refusal is that of the egress guard where the reason is ReasonBlocked. It names the address that the
	// message does not: it is for the platform's log, and not for the attempt log.
	Refusal *egress.Refusal
	// Body is the beginning of the answer's body, at most 1,000 bytes, as valid UTF-8, with the
	// endpoint's secrets redacted.
	Body string
	// RetryAfter is the wait that a 429 or 503 asked for; 0 when it did not.
	RetryAfter time.Duration
	// Duration is how long the attempt took.
	Duration time.Duration
}
