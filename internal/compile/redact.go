// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"cmp"
	"encoding/base64"
	"slices"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// minRedacted is the shortest value that is redacted, in bytes. Cutting shorter ones out of answers
// would make them unreadable, and would tell the value by what is missing.
const minRedacted = 4

// secretsOf lists what must not appear in what is kept of an endpoint's answers, the longest first,
// so that a value is cut out before a part of it. Only what came from Secrets is listed; values that
// stand in the spec are no secrets.
func secretsOf(e *delivery.Endpoint, spec *hookv1.WebhookEndpointSpec, c *Credentials) []string {
	var secrets []string
	add := func(values ...string) {
		for _, v := range values {
			if len(v) >= minRedacted {
				secrets = append(secrets, v)
			}
		}
	}
	add(c.SigningKeys...)
	for _, h := range c.Headers {
		add(h.Value)
	}
	if c.Basic != nil {
		add(c.Basic.Password, base64.StdEncoding.EncodeToString([]byte(c.Basic.Username+":"+c.Basic.Password)))
	}
	add(c.Bearer)
	if c.OAuth2 != nil {
		add(c.OAuth2.ClientSecret)
	}
	add(c.ClientKey)
	if spec.URLFrom != nil {
		add(c.URL, e.URL.RequestURI(), e.URL.Path, e.URL.RawQuery)
	}
	slices.SortFunc(secrets, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	return slices.Compact(secrets)
}
