// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// revision returns a hash over all that makes an endpoint: its spec, its credentials without the
// generation that they were resolved for, and the defaults. Two endpoints of one name with the same
// revision send the same requests to the same place.
func revision(spec *hookv1.WebhookEndpointSpec, c *Credentials, d Defaults) (string, error) {
	resolved := *c
	resolved.Endpoint = CredentialsOwner{}
	sum := sha256.New()
	if err := json.NewEncoder(sum).Encode([]any{spec, resolved, d}); err != nil {
		return "", fmt.Errorf("hash endpoint: %w", err)
	}
	// 128 bits tell apart all that an endpoint will ever be.
	return hex.EncodeToString(sum.Sum(nil)[:16]), nil
}
