// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package problem

import "net/http"

// Kinds that every API answers with.
var (
	// BadRequest means that the request itself is malformed.
	BadRequest = Kind{Name: "bad-request", Title: "Malformed request", Status: http.StatusBadRequest}
	// Unauthenticated means that the request carries no valid token.
	Unauthenticated = Kind{Name: "unauthenticated", Title: "Not authenticated", Status: http.StatusUnauthorized}
	// Forbidden means that the caller is known and lacks the right.
	Forbidden = Kind{Name: "forbidden", Title: "Not permitted", Status: http.StatusForbidden}
	// NotFound means that there is nothing at the path.
	NotFound = Kind{Name: "not-found", Title: "Not found", Status: http.StatusNotFound}
	// MethodNotAllowed means that the path exists and does not take the method; Allow lists those it takes.
	MethodNotAllowed = Kind{Name: "method-not-allowed", Title: "Method not allowed", Status: http.StatusMethodNotAllowed}
	// Timeout means that the request's body did not arrive in time.
	Timeout = Kind{Name: "request-timeout", Title: "Request came too slowly", Status: http.StatusRequestTimeout}
	// Internal means a fault of the server.
	Internal = Kind{Name: "internal", Title: "Internal error", Status: http.StatusInternalServerError}
	// Unavailable means that the server cannot answer now; Retry-After says when to come back.
	Unavailable = Kind{Name: "unavailable", Title: "Temporarily unavailable", Status: http.StatusServiceUnavailable}
)
