// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package problem

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// document is the JSON form of a problem: the members of RFC 9457 and three extensions.
type document struct {
	Type       string      `json:"type"`
	Title      string      `json:"title"`
	Status     int         `json:"status"`
	Detail     string      `json:"detail,omitempty"`
	Index      *int        `json:"index,omitempty"`
	Attribute  string      `json:"attribute,omitempty"`
	Violations []Violation `json:"violations,omitempty"`
}

// Write answers with the problem.
func (p *Problem) Write(w http.ResponseWriter) {
	d := document{Type: p.Type(), Title: p.Title, Status: p.Status, Detail: p.Detail, Attribute: p.Attribute, Violations: p.Violations}
	if p.Index > NoIndex {
		d.Index = &p.Index
	}
	body, err := json.Marshal(d)
	if err != nil { // strings and numbers always marshal
		body = []byte("{}")
	}
	h := w.Header()
	maps.Copy(h, p.Header)
	h.Set("Content-Type", ContentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(seconds(p.RetryAfter), 10))
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // a client that went away cannot be told so
}

// ServeHTTP answers every request with the problem, so that it can be mounted as a fallback.
func (p *Problem) ServeHTTP(w http.ResponseWriter, _ *http.Request) { p.Write(w) }

// seconds rounds up, since a client that returns a moment too early is refused again.
func seconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}

// MethodRefused returns the 405 answer for a path that takes only the methods listed in allow, as
// in the header of that name.
func MethodRefused(method, allow string) *Problem {
	return MethodNotAllowed.New("This path does not take "+method+"; use "+allow+".").With("Allow", allow)
}
