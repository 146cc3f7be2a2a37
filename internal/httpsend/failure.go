// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/egress"
)

// failed returns the response of an attempt that got no answer.
func (a *attempt) failed(err error) delivery.Response {
	reason, message := a.classify(err)
	r := delivery.Response{Reason: reason, Message: message}
	if reason == delivery.ReasonBlocked {
		r.Refusal, _ = errors.AsType[*egress.Refusal](err)
	}
	return r
}

// classify says why an attempt failed, in the closed set of reasons and in one sentence. Sentences are
// constants but for durations and the host: errors of net/http quote URLs and addresses.
func (a *attempt) classify(err error) (delivery.FailureReason, string) {
	if a.parent.Err() != nil || errors.Is(err, errClosed) {
		return delivery.ReasonInterrupted, "The dispatcher stopped before the answer came."
	}
	if failure, ok := errors.AsType[*tokenError](err); ok {
		return delivery.ReasonAuthentication, failure.message()
	}
	if refusal, ok := errors.AsType[*egress.Refusal](err); ok {
		return delivery.ReasonBlocked, sentence(refusal.Error())
	}
	// The attempt's own deadline comes before what it interrupted.
	if a.timedOut(err) {
		return delivery.ReasonTimeout, "No complete answer came within " + a.endpoint.Timeout.String() + "."
	}
	if failure, ok := errors.AsType[*resolveError](err); ok {
		return delivery.ReasonDNS, failure.message()
	}
	if message, ok := tlsMessage(err); ok {
		return delivery.ReasonTLS, message
	}
	return classifyConnection(err)
}

// timedOut reports whether the error is that the attempt's time was over.
func (a *attempt) timedOut(err error) bool { return a.ctx.Err() != nil || errors.Is(err, errTimedOut) }

// classifyConnection classifies what happens to a connection that is being made or in use.
func classifyConnection(err error) (delivery.FailureReason, string) {
	var network net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return delivery.ReasonRefused, "The endpoint refused the connection."
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return delivery.ReasonConnection, "The endpoint's network is unreachable."
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return delivery.ReasonTimeout, "The connection to the endpoint timed out."
	case broke(err):
		return delivery.ReasonConnection, "The connection broke before a complete answer came."
	default:
		return delivery.ReasonInvalidResponse, "The answer was not valid HTTP, or its headers passed 64 KiB."
	}
}

// broke reports whether the connection, or the HTTP/2 stream, ended.
func broke(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE, errMaybeSeen} {
		if errors.Is(err, end) {
			return true
		}
	}
	_, operation := errors.AsType[*net.OpError](err)
	return operation || brokeHTTP2(err)
}

// tlsMessage says what is wrong with TLS, when that is the cause.
func tlsMessage(err error) (string, bool) {
	if errors.Is(err, http.ErrSchemeMismatch) {
		return "The endpoint answered without TLS.", true
	}
	// An alert that comes after the handshake, as that of TLS 1.3 about a client certificate does.
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return "The endpoint refused the TLS handshake, or the client certificate.", true
	}
	failure, ok := errors.AsType[*tlsError](err)
	if !ok {
		return "", false
	}
	return failure.message(), true
}

// tlsError is an error of the handshake, or of the material for it.
type tlsError struct{ err error }

// Error implements error.
func (e *tlsError) Error() string { return "shake hands: " + e.err.Error() }

// Unwrap returns the cause.
func (e *tlsError) Unwrap() error { return e.err }

// message says what is wrong, for a user.
func (e *tlsError) message() string {
	if errors.Is(e.err, errBundle) || errors.Is(e.err, errClientCertificate) {
		return sentence(e.err.Error())
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](e.err); ok {
		return "The endpoint's certificate is not signed by a trusted authority."
	}
	if _, ok := errors.AsType[x509.HostnameError](e.err); ok {
		return "The endpoint's certificate is not valid for its host name."
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](e.err); ok && invalid.Reason == x509.Expired {
		return "The endpoint's certificate has expired or is not valid yet."
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](e.err); ok {
		return "The endpoint's certificate could not be verified."
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](e.err); ok {
		return "The endpoint answered without TLS."
	}
	return "The TLS handshake with the endpoint failed."
}

// resolveError is an error of the resolver.
type resolveError struct{ err error }

// Error implements error.
func (e *resolveError) Error() string { return "resolve: " + e.err.Error() }

// Unwrap returns the cause.
func (e *resolveError) Unwrap() error { return e.err }

// message says what is wrong, for a user.
func (e *resolveError) message() string {
	if dns, ok := errors.AsType[*net.DNSError](e.err); ok && dns.IsNotFound || errors.Is(e.err, egress.ErrNoAddress) {
		return "The endpoint's host name does not exist, or has no address."
	}
	return "The endpoint's host name could not be resolved."
}

// sentence makes a sentence of an error's text.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }
