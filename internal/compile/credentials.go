// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// CredentialsKey is the key of a credentials Secret that holds the JSON of Credentials.
const CredentialsKey = "credentials.json"

// CredentialsName returns the name of the Secret, in Posthorn's own namespace, that holds what the
// dispatcher needs for an endpoint. It is a hash, since namespace and name together may be longer
// than a name can be: the first 40 hexadecimal digits (160 bits) of the SHA-256 of namespace/name.
func CredentialsName(namespace, name string) string {
	sum := sha256.Sum256([]byte(namespace + "/" + name))
	return "endpoint-" + hex.EncodeToString(sum[:])[:40]
}

// Credentials are all that an endpoint needs beside its spec, resolved by the operator: the
// dispatcher may not read the Secrets, ConfigMaps and Services of tenants itself.
type Credentials struct {
	// Endpoint says which object, and which generation of it, they were resolved for.
	Endpoint CredentialsOwner `json:"endpoint"`
	// URL is the value of urlFrom, or the URL of serviceRef; empty where the spec has a url.
	URL string `json:"url,omitempty"`
	// SigningKeys are the encoded keys that sign, the current one first.
	SigningKeys []string `json:"signingKeys,omitempty"`
	// Headers are the values of those headers of the spec that come from Secrets.
	Headers []CredentialsHeader `json:"headers,omitempty"`
	// Basic, Bearer and OAuth2 hold what the spec's type of authentication needs.
	Basic  *CredentialsBasic  `json:"basic,omitempty"`
	Bearer string             `json:"bearer,omitempty"`
	OAuth2 *CredentialsOAuth2 `json:"oauth2,omitempty"`
	// CA is a PEM bundle; ClientCertificate and ClientKey are PEM, both or neither.
	CA                string `json:"ca,omitempty"`
	ClientCertificate string `json:"clientCertificate,omitempty"`
	ClientKey         string `json:"clientKey,omitempty"`
	// ServiceIP is the ClusterIP of the Service of serviceRef.
	ServiceIP string `json:"serviceIP,omitempty"`
	// AdmitsAll and Admits are the namespaces that allowSubscriptions selects beside its own.
	AdmitsAll bool     `json:"admitsAll,omitempty"`
	Admits    []string `json:"admits,omitempty"`
}

// CredentialsOwner names the object and generation that credentials were resolved for.
type CredentialsOwner struct {
	Namespace  string `json:"namespace"`
	Name       string `json:"name"`
	UID        string `json:"uid"`
	Generation int64  `json:"generation"`
}

// CredentialsHeader is the resolved value of one header.
type CredentialsHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// CredentialsBasic is the user and password of HTTP basic authentication.
type CredentialsBasic struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// CredentialsOAuth2 is what the client-credentials grant needs.
type CredentialsOAuth2 struct {
	TokenURL     string   `json:"tokenURL"`
	ClientID     string   `json:"clientID"`
	ClientSecret string   `json:"clientSecret"`
	Scopes       []string `json:"scopes,omitempty"`
	Audience     string   `json:"audience,omitempty"`
}

// Marshal returns the JSON for CredentialsKey. Equal credentials give equal bytes, so that a writer
// can tell whether anything changed.
func (c *Credentials) Marshal() ([]byte, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode credentials: %w", err)
	}
	return b, nil
}

// ParseCredentials reads what Marshal wrote. Fields that it does not know are passed over, so that
// an operator may be newer than the dispatcher. The error never holds a value.
func ParseCredentials(b []byte) (*Credentials, error) {
	c := new(Credentials)
	if err := json.Unmarshal(b, c); err != nil {
		return nil, fmt.Errorf("decode credentials: %w", withoutValue(err))
	}
	return c, nil
}

// errMalformed stands for an error of the JSON decoder, whose text may quote what it read.
var errMalformed = errors.New("malformed JSON")

// withoutValue reduces an error of the JSON decoder to what holds no part of the document.
func withoutValue(err error) error {
	if wrongType, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%w: field %q has another type", errMalformed, wrongType.Field)
	}
	return errMalformed
}
