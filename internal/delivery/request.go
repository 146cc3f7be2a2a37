// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"maps"
	"net/http"
	"time"

	"github.com/posthorn-dev/posthorn/internal/payload"
)

// Headers of a delivery to a dead-letter endpoint: why the original ended, where it was to go, and
// how often it was tried.
const (
	HeaderDeadLetterReason       = "Posthorn-Dead-Letter-Reason"
	HeaderDeadLetterSubscription = "Posthorn-Dead-Letter-Subscription"
	HeaderDeadLetterEndpoint     = "Posthorn-Dead-Letter-Endpoint"
	HeaderDeadLetterAttempts     = "Posthorn-Dead-Letter-Attempts"
	HeaderDeadLetterStatusCode   = "Posthorn-Dead-Letter-Status-Code"
	HeaderDeadLetterFailure      = "Posthorn-Dead-Letter-Failure"
)

// NewRequest puts one attempt together: the body with its headers, those that the tenant adds, the
// extra ones, and the signature over id, time and body. What Posthorn sets wins.
func NewRequest(e *Endpoint, body *payload.Body, id string, at time.Time, extra []HeaderField) *Request {
	h := make(http.Header, len(body.Header)+len(e.Header)+len(extra)+4)
	for _, f := range e.Header {
		h[http.CanonicalHeaderKey(f.Name)] = []string{f.Value}
	}
	maps.Copy(h, body.Header)
	for _, f := range extra {
		h[f.Name] = []string{f.Value}
	}
	if e.Signer != nil {
		e.Signer.Sign(h, id, at, body.Data)
	}
	return &Request{Endpoint: e, Header: h, Body: body.Data}
}
