// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"errors"
	"net/http"

	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/problem"
)

// Kinds of problems that only ingest has. docs/reference/ingest.md lists them.
var (
	kindInvalidEvent = problem.Kind{Name: "invalid-event", Title: "Not a valid event", Status: http.StatusBadRequest}
	kindReserved     = problem.Kind{Name: "reserved", Title: "Reserved for Posthorn", Status: http.StatusForbidden}
	kindInProgress   = problem.Kind{Name: "request-in-progress", Title: "Same request in progress", Status: http.StatusConflict}
	kindTooLarge     = problem.Kind{Name: "too-large", Title: "Too large", Status: http.StatusRequestEntityTooLarge}
	kindMediaType    = problem.Kind{Name: "unsupported-media-type", Title: "Unsupported media type", Status: http.StatusUnsupportedMediaType}
	kindEncoding     = problem.Kind{Name: "unsupported-content-encoding", Title: "Unsupported content encoding", Status: http.StatusUnsupportedMediaType}
	kindKeyReused    = problem.Kind{Name: "idempotency-key-reused", Title: "Idempotency key used before", Status: http.StatusUnprocessableEntity}
	kindUnacceptable = problem.Kind{Name: "unprocessable-event", Title: "Event cannot be taken", Status: http.StatusUnprocessableEntity}
	kindViolation    = problem.Kind{Name: "schema-violation", Title: "Data violates its schema", Status: http.StatusUnprocessableEntity}
	kindOverShare    = problem.Kind{Name: "over-share", Title: "Namespace over its share", Status: http.StatusTooManyRequests}
)

// refusalKinds are the answers to what package event refuses.
var refusalKinds = map[event.ErrorKind]problem.Kind{
	event.Malformed:     kindInvalidEvent,
	event.Reserved:      kindReserved,
	event.TooLarge:      kindTooLarge,
	event.Unprocessable: kindUnacceptable,
}

// refused turns a refusal of package event into its answer.
func refused(err error) error {
	var e *event.Error
	if !errors.As(err, &e) {
		return err
	}
	kind, ok := refusalKinds[e.Kind]
	if !ok {
		kind = kindInvalidEvent
	}
	p := kind.New(e.Error() + ".").About(e.Attribute)
	p.Index = e.Index
	return p
}
