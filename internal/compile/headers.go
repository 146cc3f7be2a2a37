// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// maxHeaderValue is the longest value of a header in bytes, as the schema has it.
const maxHeaderValue = 4096

// compileHeaders sets the headers that the tenant adds, with the values of Secrets filled in. The
// signer must be set: its headers are not the tenant's to set.
func compileHeaders(spec *hookv1.WebhookEndpointSpec, c *Credentials, e *delivery.Endpoint) error {
	for i := range spec.Headers {
		h := &spec.Headers[i]
		path := fmt.Sprintf("spec.headers[%d]", i)
		name := http.CanonicalHeaderKey(string(h.Name))
		if e.Signer != nil && slices.Contains(e.Signer.HeaderNames(), name) {
			return fieldErrorf(path, "signing sets %s: remove it from headers, or change signing.headers", name)
		}
		if spec.Authentication != nil && name == "Authorization" {
			return fieldErrorf(path, "authentication sets Authorization: remove one of the two")
		}
		value, err := headerValue(h, path, c)
		if err != nil {
			return err
		}
		e.Header = append(e.Header, delivery.HeaderField{Name: name, Value: value})
	}
	return nil
}

// headerValue returns the value of one header, that of a Secret resolved.
func headerValue(h *hookv1.Header, path string, c *Credentials) (string, error) {
	if h.ValueFrom == nil {
		return h.Value, nil
	}
	path += ".valueFrom.secretKeyRef"
	i := slices.IndexFunc(c.Headers, func(r CredentialsHeader) bool { return strings.EqualFold(r.Name, string(h.Name)) })
	if i < 0 {
		return "", fieldErrorf(path, "Secret %s has no value for it", h.ValueFrom.SecretKeyRef.Name)
	}
	value := c.Headers[i].Value
	if !validHeaderValue(value) {
		return "", fieldErrorf(path, "the value of key %s in Secret %s must be 1 to %d bytes of visible ASCII, with spaces only inside",
			h.ValueFrom.SecretKeyRef.Key, h.ValueFrom.SecretKeyRef.Name, maxHeaderValue)
	}
	return value, nil
}

// validHeaderValue reports whether a value can stand in a header, by the rule of the schema for
// values that stand in the spec.
func validHeaderValue(value string) bool {
	if value == "" || len(value) > maxHeaderValue || strings.TrimSpace(value) != value {
		return false
	}
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' })
}
