// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"net/url"
	"strings"

	"github.com/posthorn-dev/posthorn/internal/problem"
)

// Patterns for http.ServeMux under which a Handler is mounted.
const (
	// Pattern takes CloudEvents, and plain JSON with the type in a header.
	Pattern = "/v1/namespaces/{namespace}/events"
	// PatternWithType takes plain JSON with the type in the path.
	PatternWithType = "/v1/namespaces/{namespace}/events/{type}"
)

// target is what a path says.
type target struct {
	namespace string
	// eventType is the last segment of the path of plain JSON; empty without one.
	eventType string
}

// parseTarget reads the path of a request. It works on the escaped form, so that a type may hold
// an escaped slash.
func parseTarget(u *url.URL) (target, error) {
	rest, ok := strings.CutPrefix(u.EscapedPath(), "/v1/namespaces/")
	namespace, rest, ok2 := strings.Cut(rest, "/")
	collection, eventType, typed := strings.Cut(rest, "/")
	if !ok || !ok2 || collection != "events" || typed && (eventType == "" || strings.Contains(eventType, "/")) {
		return target{}, problem.NotFound.New("Events are taken at " + Pattern + " and " + PatternWithType + ".")
	}
	if err := problem.CheckNamespace(namespace); err != nil {
		return target{}, err
	}
	eventType, err := url.PathUnescape(eventType)
	if err != nil { // the server has decoded the whole path before
		return target{}, problem.BadRequest.New("The event type in the path is not percent-encoded right.").About("type")
	}
	return target{namespace: namespace, eventType: eventType}, nil
}
