// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package delivery

// FailureReason says why one attempt failed. The set is closed: the same words are the metric
// label, the log key, the field of the attempt log and the reason in a status.
type FailureReason string

// Reasons of failed attempts.
const (
	// ReasonNone is the reason of an attempt that succeeded.
	ReasonNone FailureReason = ""
	// ReasonTimeout means that no complete answer came within the endpoint's timeout.
	ReasonTimeout FailureReason = "Timeout"
	// ReasonDNS means that the host's name did not resolve.
	ReasonDNS FailureReason = "DNS"
	// ReasonTLS means that the TLS handshake or the check of the certificate failed.
	ReasonTLS FailureReason = "TLS"
	// ReasonRefused means that the destination refused the connection.
	ReasonRefused FailureReason = "ConnectionRefused"
	// ReasonConnection means that the connection broke or could not be made for another cause.
	ReasonConnection FailureReason = "ConnectionFailed"
	// ReasonBlocked means that the egress guard refused the destination's address.
	ReasonBlocked FailureReason = "Blocked"
	// ReasonAuthentication means that the credentials for the request could not be had, such as an
	// OAuth2 token that the token endpoint refused.
	ReasonAuthentication FailureReason = "AuthenticationFailed"
	// ReasonPayload means that the body could not be made, such as a CEL transform that failed.
	ReasonPayload FailureReason = "PayloadFailed"
	// ReasonInvalidResponse means that the answer was not HTTP, or its headers passed 64 KiB.
	ReasonInvalidResponse FailureReason = "InvalidResponse"
	// ReasonRedirect means an answer of 3xx: redirects are never followed.
	ReasonRedirect FailureReason = "Redirect"
	// ReasonGone means 410: the endpoint is disabled.
	ReasonGone FailureReason = "Gone"
	// ReasonRateLimited means 429.
	ReasonRateLimited FailureReason = "RateLimited"
	// ReasonStatus4xx means any other answer of 4xx.
	ReasonStatus4xx FailureReason = "Status4xx"
	// ReasonStatus5xx means an answer of 5xx.
	ReasonStatus5xx FailureReason = "Status5xx"
	// ReasonUnexpectedStatus means an answer of 1xx, or outside the ranges of HTTP.
	ReasonUnexpectedStatus FailureReason = "UnexpectedStatus"
	// ReasonInterrupted means that the dispatcher stopped while the request was in flight.
	ReasonInterrupted FailureReason = "Interrupted"
)

// FailureReasons lists every reason of a failed attempt, for metrics that initialise their labels.
func FailureReasons() []FailureReason {
	return []FailureReason{
		ReasonTimeout, ReasonDNS, ReasonTLS, ReasonRefused, ReasonConnection, ReasonBlocked,
		ReasonAuthentication, ReasonPayload, ReasonInvalidResponse, ReasonRedirect, ReasonGone,
		ReasonRateLimited, ReasonStatus4xx, ReasonStatus5xx, ReasonUnexpectedStatus, ReasonInterrupted,
	}
}

// DeadLetterReason says why a delivery ended without success. The set is closed.
type DeadLetterReason string

// Reasons of dead letters.
const (
	// DeadRetriesExhausted means that the last attempt of the schedule failed.
	DeadRetriesExhausted DeadLetterReason = "RetriesExhausted"
	// DeadGaveUp means that the answer's status is one of the subscription's giveUpOn.
	DeadGaveUp DeadLetterReason = "GaveUp"
	// DeadExpired means that the delivery grew older than its maxAge.
	DeadExpired DeadLetterReason = "Expired"
	// DeadEndpointDisabled means that the endpoint is disabled: it answered 410, or it failed for
	// longer than disableAfter.
	DeadEndpointDisabled DeadLetterReason = "EndpointDisabled"
	// DeadEndpointDeleted means that the endpoint was deleted and not created again within the hold.
	DeadEndpointDeleted DeadLetterReason = "EndpointDeleted"
	// DeadSubscriptionDeleted means that the subscription was deleted and not created again within
	// the hold.
	DeadSubscriptionDeleted DeadLetterReason = "SubscriptionDeleted"
	// DeadPayloadFailed means that no body can be made of this event, so that no retry helps.
	DeadPayloadFailed DeadLetterReason = "PayloadFailed"
)

// DeadLetterReasons lists every reason of a dead letter, for metrics that initialise their labels.
func DeadLetterReasons() []DeadLetterReason {
	return []DeadLetterReason{
		DeadRetriesExhausted, DeadGaveUp, DeadExpired, DeadEndpointDisabled, DeadEndpointDeleted,
		DeadSubscriptionDeleted, DeadPayloadFailed,
	}
}
