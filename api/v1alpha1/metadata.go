// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Labels and annotations that Posthorn reads or writes. It never copies those of an object to what
// it creates for it.
const (
	// LabelUse marks a Secret that Posthorn did not create as one that it may use. Whoever may create
	// an endpoint must not thereby read Secrets, so that somebody who may write the Secret has to put
	// it there. Posthorn's own Secrets carry it too.
	LabelUse = "posthorn.dev/use"
	// LabelUseValue is the one value of LabelUse that counts.
	LabelUseValue = "true"

	// LabelManagedBy is the common label that says which program made an object.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// ManagedBy is the value of LabelManagedBy on all that Posthorn creates.
	ManagedBy = "posthorn"

	// AnnotationRotate on a WebhookEndpoint rotates the signing key, once for each new value.
	// Taking it away does nothing. The operator records what it acted on in status.lastHandledRotate.
	AnnotationRotate = "posthorn.dev/rotate"
	// AnnotationEnable on a WebhookEndpoint enables it again after it was disabled, once for each new
	// value. Taking it away does nothing. The dispatcher records what it acted on in
	// status.lastHandledEnable.
	AnnotationEnable = "posthorn.dev/enable"

	// AnnotationEndpoint on a Secret that Posthorn created names its endpoint: the bare name on a
	// signing Secret, namespace/name on a Secret for the dispatcher.
	AnnotationEndpoint = "posthorn.dev/endpoint"
	// AnnotationScheme on a signing Secret is the scheme that its key was made for.
	AnnotationScheme = "posthorn.dev/scheme"
	// AnnotationKeyID on a signing Secret is the fingerprint of its current key. One that differs
	// from the key's own tells a key that was edited by hand.
	AnnotationKeyID = "posthorn.dev/key-id"
	// AnnotationRotatedAt on a signing Secret is when its current key came into use, in RFC 3339.
	AnnotationRotatedAt = "posthorn.dev/rotated-at"
	// AnnotationPreviousKeyExpiresAt on a signing Secret is when its previous key stops signing, in
	// RFC 3339; absent outside an overlap.
	AnnotationPreviousKeyExpiresAt = "posthorn.dev/previous-key-expires-at"
)

// Types of Secrets, and the keys of their data.
const (
	// SecretTypeSigningKey is the type of the signing Secrets that the operator creates.
	SecretTypeSigningKey = "posthorn.dev/signing-key"
	// SecretTypeEndpointCredentials is the type of the Secrets in Posthorn's own namespace that hold
	// what the dispatcher needs for one endpoint.
	SecretTypeEndpointCredentials = "posthorn.dev/endpoint-credentials"

	// SecretKeyCurrent is the key that signs: whsec_… or, for Ed25519, whsk_….
	SecretKeyCurrent = "current"
	// SecretKeyPrevious is the key before it, which signs too until the overlap ends.
	SecretKeyPrevious = "previous"
	// SecretKeyPublicKey is the public half of the current key for Ed25519: whpk_….
	SecretKeyPublicKey = "publicKey"

	// SigningSecretSuffix is what the operator appends to an endpoint's name for its signing Secret.
	SigningSecretSuffix = "-signing"
)

// Field managers of the two writers of every status. Neither sends a field or a condition of the
// other, nor forces its own.
const (
	// FieldManagerOperator applies what the operator writes.
	FieldManagerOperator = "posthorn-operator"
	// FieldManagerDispatcher applies what the dispatcher writes.
	FieldManagerDispatcher = "posthorn-dispatcher"
)
