// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// LocalSecretRef names a Secret of the object's own namespace. Unless Posthorn created it, the
// Secret is used only if it carries the label posthorn.dev/use: "true"; otherwise Ready is False
// with the reason SecretNotAllowed.
type LocalSecretRef struct {
	// name of the Secret.
	//
	// +required
	Name ObjectName `json:"name,omitempty"`
}

// SecretKeySelector names one key of a Secret of the object's own namespace. Unless Posthorn created
// it, the Secret is used only if it carries the label posthorn.dev/use: "true"; otherwise Ready is
// False with the reason SecretNotAllowed. One trailing newline of the value is cut off.
type SecretKeySelector struct {
	// name of the Secret.
	//
	// +required
	Name ObjectName `json:"name,omitempty"`

	// key of the Secret's data. Where the Secret lacks it, Ready is False with the reason KeyMissing.
	//
	// +required
	Key DataKey `json:"key,omitempty"`
}

// EndpointRef names a WebhookEndpoint.
type EndpointRef struct {
	// name of the WebhookEndpoint.
	//
	// +required
	Name ObjectName `json:"name,omitempty"`

	// namespace of the WebhookEndpoint; the subscription's own when omitted. An endpoint of another
	// namespace must admit this one in its allowSubscriptions, or EndpointResolved is False with the
	// reason RefNotPermitted, whether or not it exists.
	//
	// +optional
	Namespace NamespaceName `json:"namespace,omitempty"`
}

// ObjectName is the name of an object, as Kubernetes takes it.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="must be the name of an object: lower case letters, digits, '-' and '.', with a letter or digit at both ends"
type ObjectName string

// NamespaceName is the name of a namespace.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be the name of a namespace: lower case letters, digits and '-', with a letter or digit at both ends"
type NamespaceName string

// DataKey is a key in the data of a Secret or a ConfigMap.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$')",message="must be a key of the object's data: letters, digits, '-', '_' and '.'"
type DataKey string
