// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package problem

import (
	"net/http"
	"strings"
)

// Challenge is the WWW-Authenticate header of a request without a token (RFC 6750, section 3).
const Challenge = `Bearer realm="posthorn"`

// Bearer returns the request's bearer token, or the 401 answer for a request without one.
func Bearer(r *http.Request) (string, error) {
	values := r.Header["Authorization"]
	if len(values) == 1 {
		scheme, token, ok := strings.Cut(values[0], " ")
		if token = strings.TrimSpace(token); ok && token != "" && strings.EqualFold(scheme, "Bearer") {
			return token, nil
		}
	}
	return "", Unauthenticated.New("The request carries no token: send \"Authorization: Bearer …\" with "+
		"a ServiceAccount's token for the audience posthorn.").With("WWW-Authenticate", Challenge)
}
