// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"fmt"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/signing"
)

// SigningScheme returns how an endpoint signs: StandardWebhooks where its spec says nothing.
func SigningScheme(spec *hookv1.WebhookEndpointSpec) signing.Scheme {
	if spec.Signing == nil || spec.Signing.Scheme == "" {
		return signing.StandardWebhooks
	}
	return signing.Scheme(spec.Signing.Scheme)
}

// compileSigning makes the signer from the keys of the credentials.
func compileSigning(spec *hookv1.WebhookEndpointSpec, c *Credentials, e *delivery.Endpoint) error {
	scheme := SigningScheme(spec)
	if scheme == signing.None {
		return nil
	}
	if len(c.SigningKeys) == 0 {
		return fieldErrorf("spec.signing", "there is no signing key: see the condition SigningKeyReady")
	}
	keys := make([]signing.Key, len(c.SigningKeys))
	for i, encoded := range c.SigningKeys {
		key, err := signing.ParseKey(scheme, []byte(encoded))
		if err != nil {
			return fieldError("spec.signing", fmt.Errorf("signing key %d: %w", i+1, err))
		}
		keys[i] = key
	}
	signer, err := signing.NewSigner(scheme, signatureHeaders(spec), keys)
	if err != nil {
		return fieldError("spec.signing", err)
	}
	e.Signer = signer
	return nil
}

// signatureHeaders returns the header names that the spec gives.
func signatureHeaders(spec *hookv1.WebhookEndpointSpec) signing.Headers {
	if spec.Signing == nil || spec.Signing.Headers == nil {
		return signing.Headers{}
	}
	h := spec.Signing.Headers
	return signing.Headers{
		Prefix:      h.Prefix,
		ID:          string(h.ID),
		Timestamp:   string(h.Timestamp),
		Signature:   string(h.Signature),
		ValuePrefix: h.ValuePrefix,
	}
}
