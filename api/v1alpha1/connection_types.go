// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Authentication proves Posthorn's identity to the destination. The member named after type is set,
// and no other.
//
// +kubebuilder:validation:XValidation:rule="(self.type == 'Basic') == has(self.basic)",message="basic must be set when type is Basic, and only then: add basic, or change type"
// +kubebuilder:validation:XValidation:rule="(self.type == 'Bearer') == has(self.bearer)",message="bearer must be set when type is Bearer, and only then: add bearer, or change type"
// +kubebuilder:validation:XValidation:rule="(self.type == 'OAuth2ClientCredentials') == has(self.oauth2ClientCredentials)",message="oauth2ClientCredentials must be set when type is OAuth2ClientCredentials, and only then: add oauth2ClientCredentials, or change type"
// +union
type Authentication struct {
	// type is Basic, Bearer or OAuth2ClientCredentials.
	//
	// +required
	// +unionDiscriminator
	Type AuthenticationType `json:"type,omitempty"`

	// basic sends a user name and a password (RFC 7617).
	//
	// +optional
	// +unionMember
	Basic *BasicAuthentication `json:"basic,omitempty"`

	// bearer sends a fixed token (RFC 6750).
	//
	// +optional
	// +unionMember
	Bearer *BearerAuthentication `json:"bearer,omitempty"`

	// oauth2ClientCredentials fetches a token by the client-credentials grant (RFC 6749, section 4.4),
	// and again before it ends.
	//
	// +optional
	// +unionMember=OAuth2ClientCredentials
	OAuth2ClientCredentials *OAuth2ClientCredentials `json:"oauth2ClientCredentials,omitempty"`
}

// AuthenticationType is a way to authenticate.
//
// +kubebuilder:validation:Enum=Basic;Bearer;OAuth2ClientCredentials
type AuthenticationType string

// Ways to authenticate.
const (
	// AuthenticationTypeBasic sends a user name and a password.
	AuthenticationTypeBasic AuthenticationType = "Basic"
	// AuthenticationTypeBearer sends a fixed token.
	AuthenticationTypeBearer AuthenticationType = "Bearer"
	// AuthenticationTypeOAuth2ClientCredentials fetches tokens from an OAuth2 server.
	AuthenticationTypeOAuth2ClientCredentials AuthenticationType = "OAuth2ClientCredentials"
)

// BasicAuthentication is HTTP basic authentication.
type BasicAuthentication struct {
	// secretRef names a Secret with the keys username and password, as the type
	// kubernetes.io/basic-auth has them.
	//
	// +required
	SecretRef LocalSecretRef `json:"secretRef,omitzero"`
}

// BearerAuthentication is a fixed bearer token.
type BearerAuthentication struct {
	// secretRef names the key of a Secret whose value is the token.
	//
	// +required
	SecretRef SecretKeySelector `json:"secretRef,omitzero"`
}

// OAuth2ClientCredentials is the client-credentials grant of OAuth2.
type OAuth2ClientCredentials struct {
	// tokenURL is where tokens are fetched. The egress guard covers it too.
	//
	// +required
	TokenURL URL `json:"tokenURL,omitempty"`

	// clientID is the client's public name at the token endpoint.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^[ -~]+$')",message="clientID must be visible ASCII: copy it from the authorization server as it stands"
	ClientID string `json:"clientID,omitempty"`

	// clientSecretRef names the key of a Secret whose value is the client's secret.
	//
	// +required
	ClientSecretRef SecretKeySelector `json:"clientSecretRef,omitzero"`

	// scopes are asked for with each token. Omitted: none, which the server takes for its default.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	Scopes []OAuth2Scope `json:"scopes,omitempty"`

	// audience is sent to the token endpoint as the parameter of that name, for servers that want it.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Audience string `json:"audience,omitempty"`
}

// OAuth2Scope is one scope of a token.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]+$') && !self.contains('\"') && !self.contains('\\\\')",message="must be one scope: ASCII without spaces, quotes and backslashes; write several scopes as several items"
type OAuth2Scope string

// TLS says what https connections to an endpoint trust and present.
//
// +kubebuilder:validation:MinProperties=1
type TLS struct {
	// caRef names a bundle of certificate authorities in PEM, trusted instead of the system's.
	//
	// +optional
	CARef *CARef `json:"caRef,omitempty"`

	// clientCertificateRef names a Secret with the keys tls.crt and tls.key, as the type
	// kubernetes.io/tls has them, presented to servers that ask for a client certificate.
	//
	// +optional
	ClientCertificateRef *LocalSecretRef `json:"clientCertificateRef,omitempty"`

	// serverName replaces the host of the URL in SNI and in the check of the server's certificate.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$')",message="serverName must be a host name without scheme and port, such as billing.example.com"
	ServerName string `json:"serverName,omitempty"`
}

// CARef names a bundle of certificate authorities.
type CARef struct {
	// kind is ConfigMap (the default) or Secret. A ConfigMap needs no label; it is read again every
	// 5 minutes.
	//
	// +optional
	// +kubebuilder:default=ConfigMap
	Kind CARefKind `json:"kind,omitempty"`

	// name of the ConfigMap or Secret.
	//
	// +required
	Name ObjectName `json:"name,omitempty"`

	// key of its data. Omitted: ca.crt.
	//
	// +optional
	// +kubebuilder:default="ca.crt"
	Key DataKey `json:"key,omitempty"`
}

// CARefKind is what a bundle of certificate authorities is kept in.
//
// +kubebuilder:validation:Enum=ConfigMap;Secret
type CARefKind string

// Kinds of a caRef.
const (
	// CARefKindConfigMap reads a ConfigMap.
	CARefKindConfigMap CARefKind = "ConfigMap"
	// CARefKindSecret reads a Secret.
	CARefKindSecret CARefKind = "Secret"
)
