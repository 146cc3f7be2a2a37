// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Signing says how requests are signed, and where the key comes from.
//
// +kubebuilder:validation:XValidation:rule="self.scheme != 'None' || !(has(self.secretRef) || has(self.rotation) || has(self.headers))",message="scheme None signs nothing: remove secretRef, rotation and headers, or choose another scheme"
// +kubebuilder:validation:XValidation:rule="!has(self.secretRef) || !has(self.rotation)",message="rotation needs a key that Posthorn creates: remove secretRef, or remove rotation and rotate your own Secret"
// +kubebuilder:validation:XValidation:rule="!has(self.secretRef) || self.deletionPolicy != 'Delete'",message="deletionPolicy Delete needs a key that Posthorn creates: remove secretRef, or write deletionPolicy Retain, since Posthorn never deletes a Secret of yours"
// +kubebuilder:validation:XValidation:rule="!has(self.headers) || !has(self.headers.prefix) || self.scheme in ['None', 'StandardWebhooks', 'StandardWebhooksEd25519']",message="headers.prefix needs scheme StandardWebhooks or StandardWebhooksEd25519: remove it, or for HMACHex name headers.id, timestamp and signature"
// +kubebuilder:validation:XValidation:rule="!has(self.headers) || !(has(self.headers.id) || has(self.headers.timestamp) || has(self.headers.signature) || has(self.headers.valuePrefix)) || self.scheme in ['None', 'HMACHex']",message="headers.id, timestamp, signature and valuePrefix need scheme HMACHex: remove them, or for Standard Webhooks write headers.prefix"
type Signing struct {
	// scheme is how requests are signed: StandardWebhooks (the default), StandardWebhooksEd25519,
	// HMACHex, GitHub or None. A change to a scheme that needs another form of key makes a new key.
	//
	// +optional
	// +kubebuilder:default=StandardWebhooks
	Scheme SigningScheme `json:"scheme,omitempty"`

	// secretRef names a key of a Secret of your own, marked with the label posthorn.dev/use: "true".
	// Omitted: the operator creates and owns the Secret named after the endpoint with the suffix
	// -signing. SigningKeyReady says what is wrong with either.
	//
	// +optional
	SecretRef *SecretKeySelector `json:"secretRef,omitempty"`

	// rotation says when the operator replaces the key. Omitted: never by itself. On demand it does so
	// whenever the annotation posthorn.dev/rotate has a new value.
	//
	// +optional
	Rotation *Rotation `json:"rotation,omitempty"`

	// deletionPolicy says what becomes of the Secret that the operator created when the endpoint is
	// deleted. Retain (the default) keeps it, and an endpoint of the same name adopts it again; Delete
	// removes it.
	//
	// +optional
	// +kubebuilder:default=Retain
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// headers renames the headers that carry the signature, for receivers that expect others.
	//
	// +optional
	Headers *SignatureHeaders `json:"headers,omitempty"`
}

// SigningScheme is how requests are signed.
//
// +kubebuilder:validation:Enum=StandardWebhooks;StandardWebhooksEd25519;HMACHex;GitHub;None
type SigningScheme string

// Signing schemes.
const (
	// SigningSchemeStandardWebhooks signs by Standard Webhooks with HMAC-SHA256 and a whsec_ key.
	SigningSchemeStandardWebhooks SigningScheme = "StandardWebhooks"
	// SigningSchemeStandardWebhooksEd25519 signs by Standard Webhooks with Ed25519: the receiver holds
	// only the public key, which is in status.signing.publicKey.
	SigningSchemeStandardWebhooksEd25519 SigningScheme = "StandardWebhooksEd25519"
	// SigningSchemeHMACHex signs the timestamp, a dot and the body with HMAC-SHA256, in hexadecimal.
	SigningSchemeHMACHex SigningScheme = "HMACHex"
	// SigningSchemeGitHub signs the body as GitHub does, in X-Hub-Signature-256.
	SigningSchemeGitHub SigningScheme = "GitHub"
	// SigningSchemeNone signs nothing.
	SigningSchemeNone SigningScheme = "None"
)

// Rotation says when a signing key is replaced, and how long the one before it goes on signing.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="!has(self.interval) || !has(self.overlap) || duration(self.overlap) < duration(self.interval)",message="overlap must be shorter than interval, so that at most two keys sign: shorten overlap, or lengthen interval"
type Rotation struct {
	// interval between rotations: 1m to 87600h. Omitted: only on demand.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1m') && duration(self) <= duration('87600h')",message="interval must be a duration from 1m to 87600h, such as 2160h; omit it to rotate only on demand"
	Interval Duration `json:"interval,omitempty"`

	// overlap is how long the previous key goes on signing beside the new one: 0s to 8760h, and less
	// than interval. 0s stops it at once, for a key that leaked. Omitted: 24h, or half of interval
	// where that is shorter.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('0s') && duration(self) <= duration('8760h')",message="overlap must be a duration from 0s to 8760h, such as 24h"
	Overlap Duration `json:"overlap,omitempty"`
}

// DeletionPolicy says what becomes of a Secret that Posthorn created.
//
// +kubebuilder:validation:Enum=Retain;Delete
type DeletionPolicy string

// Deletion policies.
const (
	// DeletionPolicyRetain keeps the Secret.
	DeletionPolicyRetain DeletionPolicy = "Retain"
	// DeletionPolicyDelete has Kubernetes remove the Secret with its endpoint.
	DeletionPolicyDelete DeletionPolicy = "Delete"
)

// SignatureHeaders names the headers that carry the signature.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="(has(self.id) ? self.id.lowerAscii() : 'x-webhook-id') != (has(self.timestamp) ? self.timestamp.lowerAscii() : 'x-webhook-timestamp') && (has(self.id) ? self.id.lowerAscii() : 'x-webhook-id') != (has(self.signature) ? self.signature.lowerAscii() : 'x-webhook-signature') && (has(self.timestamp) ? self.timestamp.lowerAscii() : 'x-webhook-timestamp') != (has(self.signature) ? self.signature.lowerAscii() : 'x-webhook-signature')",message="id, timestamp and signature must name different headers: give each a name of its own"
type SignatureHeaders struct {
	// prefix replaces webhook- in webhook-id, webhook-timestamp and webhook-signature. For the schemes
	// of Standard Webhooks.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9][A-Za-z0-9_.-]*-$') && !(self.lowerAscii() in ['ce-', 'posthorn-'])",message="prefix must be the beginning of a header's name and end with '-', such as svix-; ce- and posthorn- are taken"
	Prefix string `json:"prefix,omitempty"`

	// id names the header of the delivery's id, for HMACHex. Omitted: X-Webhook-ID.
	//
	// +optional
	ID HeaderName `json:"id,omitempty"`

	// timestamp names the header of the attempt's time in seconds since 1970, for HMACHex. Omitted:
	// X-Webhook-Timestamp.
	//
	// +optional
	Timestamp HeaderName `json:"timestamp,omitempty"`

	// signature names the header of the signature, for HMACHex. Omitted: X-Webhook-Signature.
	//
	// +optional
	Signature HeaderName `json:"signature,omitempty"`

	// valuePrefix stands before the signature in its header, for HMACHex. Omitted: v1=.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_.-]+[=:]?$')",message="valuePrefix must be letters, digits, '-', '_' and '.', and may end with '=' or ':', such as sha256="
	ValuePrefix string `json:"valuePrefix,omitempty"`
}

// SigningStatus is about the signing key, and never holds it.
type SigningStatus struct {
	// secretName is the Secret that holds the key.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName,omitempty"`

	// keyID is a fingerprint of the current key: it tells whether receiver and sender hold the same.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	KeyID string `json:"keyID,omitempty"`

	// publicKey verifies signatures of StandardWebhooksEd25519.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	PublicKey string `json:"publicKey,omitempty"`

	// previousKeyExpiresAt is when the previous key stops signing; absent outside an overlap.
	//
	// +optional
	PreviousKeyExpiresAt *metav1.Time `json:"previousKeyExpiresAt,omitempty"`

	// nextRotationTime is when the key is rotated by its interval; absent without one.
	//
	// +optional
	NextRotationTime *metav1.Time `json:"nextRotationTime,omitempty"`
}
