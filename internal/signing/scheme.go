// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package signing

// Scheme names how requests are signed. The values are those of the API.
type Scheme string

// The schemes.
const (
	// StandardWebhooks is the symmetric scheme of Standard Webhooks: HMAC-SHA256 over
	// {id}.{timestamp}.{body}, base64, signature version v1.
	StandardWebhooks Scheme = "StandardWebhooks"
	// StandardWebhooksEd25519 is the asymmetric scheme of Standard Webhooks: Ed25519 over
	// {id}.{timestamp}.{body}, base64, signature version v1a.
	StandardWebhooksEd25519 Scheme = "StandardWebhooksEd25519"
	// HMACHex is HMAC-SHA256 over {timestamp}.{body} in hex, in headers with names of one's choice.
	HMACHex Scheme = "HMACHex"
	// GitHub is HMAC-SHA256 over the body in hex, in the header X-Hub-Signature-256.
	GitHub Scheme = "GitHub"
	// None means that requests are not signed; it has neither keys nor a Signer.
	None Scheme = "None"
)

// The forms of keys that KeyForm returns.
const (
	formSymmetric = "symmetric"
	formEd25519   = "ed25519"
)

// KeyForm returns "symmetric" or "ed25519", the form of key that the scheme signs with, and the
// empty string for None and for schemes that do not exist. A change of scheme that changes the form
// needs a new key; any other change keeps it.
func (s Scheme) KeyForm() string {
	switch s {
	case StandardWebhooks, HMACHex, GitHub:
		return formSymmetric
	case StandardWebhooksEd25519:
		return formEd25519
	default:
		return ""
	}
}
