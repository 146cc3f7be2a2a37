// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"time"
)

// maxTokenBytes bounds a token before anything is done with it. Those of ServiceAccounts have
// about 1 KiB, those of identity providers with many groups several.
const maxTokenBytes = 16 << 10

// claims are the registered claims of a JWT (RFC 7519) that say whether it is worth a TokenReview.
// They are read without a check of the signature: they may refuse, never admit.
type claims struct {
	Issuer   string      `json:"iss"`
	Audience audience    `json:"aud"`
	Expiry   numericDate `json:"exp"`
}

// expiry returns when the token ends.
func (c *claims) expiry() time.Time { return c.Expiry.Time }

// audience is the claim aud: one string, or a list of them.
type audience []string

// UnmarshalJSON takes both forms of the claim.
func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		*a = audience{one}
		return nil
	}
	var many []string
	if err := json.Unmarshal(b, &many); err != nil {
		return err
	}
	*a = many
	return nil
}

// numericDate is a time in seconds since 1970, possibly with a fraction.
type numericDate struct{ time.Time }

// UnmarshalJSON refuses times that no token has, rather than computing with them.
func (d *numericDate) UnmarshalJSON(b []byte) error {
	var s float64
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if s <= 0 || s > math.MaxInt32*64 { // until about the year 6300
		return errors.New("date out of range")
	}
	d.Time = time.UnixMilli(int64(s * 1000))
	return nil
}

// errNotJWT stands for every way in which a token is not a signed JWT with the claims above. What
// exactly is wrong is not told: it would be about the token's content.
var errNotJWT = errors.New("token is not a JSON Web Token")

// parseClaims reads a token's claims without verifying its signature.
func parseClaims(token string) (*claims, error) {
	if len(token) > maxTokenBytes {
		return nil, errNotJWT
	}
	header, rest, ok := strings.Cut(token, ".")
	payload, signature, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 || signature == "" || strings.Contains(signature, ".") {
		return nil, errNotJWT
	}
	if _, err := base64.RawURLEncoding.DecodeString(signature); err != nil {
		return nil, errNotJWT
	}
	var head struct {
		Algorithm string `json:"alg"`
	}
	if err := decodeSegment(header, &head); err != nil {
		return nil, errNotJWT
	}
	if head.Algorithm == "" || strings.EqualFold(head.Algorithm, "none") {
		return nil, errNotJWT
	}
	c := &claims{}
	if err := decodeSegment(payload, c); err != nil {
		return nil, errNotJWT
	}
	return c, nil
}

// decodeSegment decodes one base64url part of a token as a JSON object.
func decodeSegment(segment string, into any) error {
	raw, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{")) {
		return errNotJWT
	}
	return json.Unmarshal(raw, into)
}

// IssuerOf returns the issuer that a token claims, without verifying it. The dispatcher learns the
// cluster's issuer so, from its own mounted token.
func IssuerOf(token string) (string, error) {
	c, err := parseClaims(token)
	if err != nil {
		return "", err
	}
	if c.Issuer == "" {
		return "", errors.New("token names no issuer")
	}
	return c.Issuer, nil
}

// look refuses a token that the API server would refuse too, or that Posthorn must not accept. It
// returns the claims of any other.
func (a *Access) look(token string, now time.Time) (*claims, error) {
	if token == "" {
		return nil, unauthenticated("The request carries no token: send \"Authorization: Bearer …\" with " +
			"a ServiceAccount's token for the audience " + a.audiences[0] + ".")
	}
	c, err := parseClaims(token)
	if err != nil {
		return nil, unauthenticated("The bearer token is not a JSON Web Token: send a ServiceAccount's token.")
	}
	if len(a.issuers) > 0 && !slices.Contains(a.issuers, c.Issuer) {
		return nil, unauthenticated("The token is of another issuer than this cluster's.")
	}
	if !a.apiServerAudience && !slices.ContainsFunc(c.Audience, a.takesAudience) {
		return nil, unauthenticated("The token is not meant for Posthorn: request one for the audience " +
			a.audiences[0] + ", such as with kubectl create token --audience=" + a.audiences[0] + ".")
	}
	if c.expiry().IsZero() {
		return nil, unauthenticated("The token never expires: send one that does, " +
			"such as a ServiceAccount's projected token.")
	}
	if !now.Before(c.expiry()) {
		return nil, unauthenticated("The token has expired: send a fresh one; " +
			"the file of a projected token is rewritten before that.")
	}
	return c, nil
}

func (a *Access) takesAudience(audience string) bool {
	return slices.Contains(a.audiences, audience)
}
