// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package compile

import (
	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// compileAuthentication sets how requests authenticate, from the credentials that the operator
// resolved for the spec's type.
func compileAuthentication(spec *hookv1.WebhookEndpointSpec, c *Credentials, e *delivery.Endpoint) error {
	if spec.Authentication == nil {
		return nil
	}
	var err error
	switch t := spec.Authentication.Type; t {
	case hookv1.AuthenticationTypeBasic:
		e.Auth, err = basicAuth(c.Basic)
	case hookv1.AuthenticationTypeBearer:
		e.Auth, err = bearerAuth(c.Bearer)
	case hookv1.AuthenticationTypeOAuth2ClientCredentials:
		e.Auth, err = oauth2Auth(c.OAuth2)
	default:
		err = fieldErrorf("spec.authentication.type", "%q is not supported: write Basic, Bearer or OAuth2ClientCredentials", t)
	}
	return err
}

func basicAuth(c *CredentialsBasic) (*delivery.Auth, error) {
	const path = "spec.authentication.basic.secretRef"
	switch {
	case c == nil || c.Username == "" && c.Password == "":
		return nil, fieldErrorf(path, "the Secret must have the keys username and password")
	case containsColon(c.Username):
		return nil, fieldErrorf(path, "the user name must not contain a colon, which separates it from the password")
	case containsControl(c.Username) || containsControl(c.Password):
		return nil, fieldErrorf(path, "user name and password must not contain control characters")
	}
	return &delivery.Auth{Basic: &delivery.BasicAuth{Username: c.Username, Password: c.Password}}, nil
}

func bearerAuth(token string) (*delivery.Auth, error) {
	if !validHeaderValue(token) {
		return nil, fieldErrorf("spec.authentication.bearer.secretRef",
			"the token must be 1 to %d bytes of visible ASCII", maxHeaderValue)
	}
	return &delivery.Auth{Bearer: token}, nil
}

func oauth2Auth(c *CredentialsOAuth2) (*delivery.Auth, error) {
	const path = "spec.authentication.oauth2ClientCredentials"
	if c == nil || c.ClientSecret == "" {
		return nil, fieldErrorf(path+".clientSecretRef", "the Secret has no client secret")
	}
	if containsControl(c.ClientSecret) {
		return nil, fieldErrorf(path+".clientSecretRef", "the client secret must not contain control characters")
	}
	if _, err := ParseURL(c.TokenURL); err != nil {
		return nil, fieldErrorf(path+".tokenURL", "%v", err)
	}
	return &delivery.Auth{OAuth2: &delivery.OAuth2ClientCredentials{
		TokenURL:     c.TokenURL,
		ClientID:     c.ClientID,
		ClientSecret: c.ClientSecret,
		Scopes:       c.Scopes,
		Audience:     c.Audience,
	}}, nil
}
