// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// WebhookEndpointSpec says where to send, and how.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="[has(self.url), has(self.urlFrom), has(self.serviceRef)].exists_one(x, x)",message="exactly one of url, urlFrom and serviceRef must be set: write url for a plain URL, urlFrom for a URL kept in a Secret, serviceRef for a Service of this namespace"
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || !has(self.url) || self.url.startsWith('https://')",message="tls needs a url that begins with https://: change url, or remove tls"
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || !has(self.serviceRef) || self.serviceRef.scheme == 'https'",message="tls needs serviceRef.scheme https: change serviceRef.scheme, or remove tls"
// +kubebuilder:validation:XValidation:rule="!has(self.authentication) || !has(self.headers) || self.headers.all(h, h.name.lowerAscii() != 'authorization')",message="headers must not hold Authorization beside authentication, which sets it: remove one of the two"
// +kubebuilder:validation:XValidation:rule="!has(self.authentication) || !has(self.signing) || !has(self.signing.headers) || !(has(self.signing.headers.id) && self.signing.headers.id.lowerAscii() == 'authorization' || has(self.signing.headers.timestamp) && self.signing.headers.timestamp.lowerAscii() == 'authorization' || has(self.signing.headers.signature) && self.signing.headers.signature.lowerAscii() == 'authorization')",message="signing.headers must not name Authorization beside authentication, which sets it: name another header, or remove authentication"
// +kubebuilder:validation:XValidation:rule="!has(self.headers) || !has(self.signing) || !has(self.signing.headers) || !has(self.signing.headers.prefix) || self.headers.all(h, h.name.lowerAscii() != self.signing.headers.prefix.lowerAscii() + 'id' && h.name.lowerAscii() != self.signing.headers.prefix.lowerAscii() + 'timestamp' && h.name.lowerAscii() != self.signing.headers.prefix.lowerAscii() + 'signature')",message="headers must not hold the names that signing sets (signing.headers.prefix followed by id, timestamp or signature): remove them from headers, or change the prefix"
// +kubebuilder:validation:XValidation:rule="!has(self.headers) || !has(self.signing) || self.signing.scheme != 'HMACHex' || self.headers.all(h, h.name.lowerAscii() != (has(self.signing.headers) && has(self.signing.headers.id) ? self.signing.headers.id.lowerAscii() : 'x-webhook-id') && h.name.lowerAscii() != (has(self.signing.headers) && has(self.signing.headers.timestamp) ? self.signing.headers.timestamp.lowerAscii() : 'x-webhook-timestamp') && h.name.lowerAscii() != (has(self.signing.headers) && has(self.signing.headers.signature) ? self.signing.headers.signature.lowerAscii() : 'x-webhook-signature'))",message="headers must not hold the names that signing sets (signing.headers.id, timestamp and signature; by default X-Webhook-ID, X-Webhook-Timestamp and X-Webhook-Signature): remove them from headers, or change signing.headers"
// +kubebuilder:validation:XValidation:rule="!has(self.headers) || !has(self.signing) || self.signing.scheme != 'GitHub' || self.headers.all(h, h.name.lowerAscii() != 'x-hub-signature-256')",message="headers must not hold X-Hub-Signature-256, which signing sets for the scheme GitHub: remove it from headers"
type WebhookEndpointSpec struct {
	// url is the destination: http or https, without credentials and without a fragment. Its host is
	// shown in status.host. Exactly one of url, urlFrom and serviceRef must be set.
	//
	// +optional
	URL URL `json:"url,omitempty"`

	// urlFrom takes the URL from a Secret, for services whose URL is the credential (Slack, Teams,
	// PagerDuty). Where its value is not a URL that the field url would take, Ready is False with the
	// reason InvalidURL. Only the host is ever shown.
	//
	// +optional
	URLFrom *URLSource `json:"urlFrom,omitempty"`

	// serviceRef sends to a Service of this namespace, through its ClusterIP. It reaches your own pods
	// where the platform does not open private address ranges; ServiceResolved shows whether the
	// Service may be used.
	//
	// +optional
	ServiceRef *ServiceRef `json:"serviceRef,omitempty"`

	// signing says how requests are signed. By default they are signed by Standard Webhooks, with a
	// key that Posthorn creates in the Secret named after the endpoint with the suffix -signing.
	//
	// +optional
	// +kubebuilder:default={}
	Signing *Signing `json:"signing,omitempty"`

	// headers are added to each request. Those that Posthorn or the connection sets are refused.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.exists_one(b, a.name.lowerAscii() == b.name.lowerAscii()))",message="headers must not name one header twice in different case: HTTP does not tell them apart, so keep one of them"
	Headers []Header `json:"headers,omitempty"`

	// authentication proves Posthorn's identity to the destination, in addition to the signature.
	// Omitted: none.
	//
	// +optional
	Authentication *Authentication `json:"authentication,omitempty"`

	// tls says what https connections trust and present. Omitted: the system's certificate
	// authorities, and no client certificate.
	//
	// +optional
	TLS *TLS `json:"tls,omitempty"`

	// timeout bounds one attempt, from the dial to the last byte of the answer: 1s to 60s. Omitted:
	// the platform's default, 15s if it names none.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1s') && duration(self) <= duration('60s')",message="timeout must be a duration from 1s to 60s, such as 15s"
	Timeout Duration `json:"timeout,omitempty"`

	// concurrency is how many requests may be in flight to the endpoint at once: 1 to 1000. Omitted:
	// the platform's default, 16 if it names none.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Concurrency int32 `json:"concurrency,omitempty"`

	// rateLimit bounds how many requests are started. Omitted: the platform's default, no limit if it
	// names none.
	//
	// +optional
	RateLimit *RateLimit `json:"rateLimit,omitempty"`

	// circuitBreaker says when requests are held back from a failing endpoint, and how it is tried
	// again. Each omitted field has the platform's default. CircuitClosed and status.circuit show it.
	//
	// +optional
	CircuitBreaker *CircuitBreaker `json:"circuitBreaker,omitempty"`

	// disableAfter is how long the endpoint may fail without a success before it is disabled and its
	// deliveries are dead-lettered: 1m to 8760h. Omitted: never; the circuit breaker protects, this
	// gives up. A disabled endpoint is enabled again by a change of its spec or by a new value of the
	// annotation posthorn.dev/enable.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1m') && duration(self) <= duration('8760h')",message="disableAfter must be a duration from 1m to 8760h, such as 120h; omit it to never disable the endpoint"
	DisableAfter Duration `json:"disableAfter,omitempty"`

	// suspend holds all deliveries to the endpoint until it is false again. They wait up to their
	// maxAge and within the namespace's share of storage.
	//
	// +optional
	// +kubebuilder:default=false
	Suspend *bool `json:"suspend,omitempty"`

	// allowSubscriptions says which namespaces may send here. Omitted: this one alone.
	//
	// +optional
	AllowSubscriptions *AllowSubscriptions `json:"allowSubscriptions,omitempty"`
}

// WebhookEndpointStatus is what Posthorn has to say about an endpoint. The comment of each field names
// its one writer.
type WebhookEndpointStatus struct {
	// conditions are Ready, Reconciling, Stalled, SigningKeyReady and ServiceResolved, written by the
	// operator, and DestinationAllowed, CircuitClosed and Routed, written by the dispatcher.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation that the operator looked at last; -1 before the first look.
	// Written by the operator.
	//
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration *int64 `json:"observedGeneration,omitempty"`

	// host is the destination's host, with its port where the URL names one. It is safe to print even
	// where the URL is a secret. Written by the operator.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=300
	Host string `json:"host,omitempty"`

	// subscriptions is how many subscriptions send here: what a deletion would stop. Written by the
	// operator.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Subscriptions *int32 `json:"subscriptions,omitempty"`

	// signing is about the signing key, and never holds it. Absent for the scheme None. Written by the
	// operator.
	//
	// +optional
	Signing *SigningStatus `json:"signing,omitempty"`

	// circuit is the state of the circuit breaker. Written by the dispatcher.
	//
	// +optional
	Circuit *CircuitStatus `json:"circuit,omitempty"`

	// disabled is present while the endpoint is disabled. Written by the dispatcher.
	//
	// +optional
	Disabled *DisabledStatus `json:"disabled,omitempty"`

	// deliveries counts what came of the deliveries to this endpoint. Written by the dispatcher.
	//
	// +optional
	Deliveries *EndpointDeliveries `json:"deliveries,omitempty"`

	// lastFailure is the attempt that failed last. Written by the dispatcher.
	//
	// +optional
	LastFailure *LastFailure `json:"lastFailure,omitempty"`

	// lastHandledRotate is the value of the annotation posthorn.dev/rotate that was acted on last, in
	// full: it may be as long as annotations can be. Written by the operator.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=262144
	LastHandledRotate string `json:"lastHandledRotate,omitempty"`

	// lastHandledEnable is the value of the annotation posthorn.dev/enable that was acted on last.
	// Written by the dispatcher.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	LastHandledEnable string `json:"lastHandledEnable,omitempty"`

	// effective is what applies once the platform's defaults have filled what the spec leaves out.
	// Written by the operator.
	//
	// +optional
	Effective *EffectiveEndpoint `json:"effective,omitempty"`
}

// WebhookEndpoint is a destination for webhooks: a URL, the way requests to it are signed and
// authenticated, and the limits that protect it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=webhookendpoints,scope=Namespaced,shortName=whe,categories=posthorn
// +kubebuilder:printcolumn:name="Host",type=string,JSONPath=`.status.host`,description="Where requests go"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether the next matching event will be delivered"
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,description="Why it is Ready, or not"
// +kubebuilder:printcolumn:name="Circuit",type=string,JSONPath=`.status.circuit.state`,description="State of the circuit breaker"
// +kubebuilder:printcolumn:name="Pending",type=integer,JSONPath=`.status.deliveries.pending`,description="Deliveries that have not ended"
// +kubebuilder:printcolumn:name="Last Success",type=date,JSONPath=`.status.deliveries.lastSuccessTime`,description="Time since a request succeeded"
// +kubebuilder:printcolumn:name="Scheme",type=string,JSONPath=`.spec.signing.scheme`,priority=1,description="How requests are signed"
// +kubebuilder:printcolumn:name="Subscriptions",type=integer,JSONPath=`.status.subscriptions`,priority=1,description="How many subscriptions send here"
// +kubebuilder:printcolumn:name="Rotates",type=string,JSONPath=`.status.signing.nextRotationTime`,priority=1,description="When the signing key is rotated next"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:selectablefield:JSONPath=`.status.circuit.state`
// +kubebuilder:selectablefield:JSONPath=`.status.host`
// +kubebuilder:selectablefield:JSONPath=`.status.disabled.reason`
// +kubebuilder:selectablefield:JSONPath=`.status.signing.secretName`
// +kubebuilder:selectablefield:JSONPath=`.spec.signing.scheme`
// +kubebuilder:selectablefield:JSONPath=`.spec.serviceRef.name`
// +kubebuilder:selectablefield:JSONPath=`.spec.suspend`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 245",message="metadata.name must have at most 245 characters: the signing Secret has the same name with -signing appended"
type WebhookEndpoint struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the object's standard metadata. Identity is namespace and name, not UID.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec says where to send, and how.
	//
	// +required
	Spec WebhookEndpointSpec `json:"spec,omitzero"`

	// status is what Posthorn has to say about it.
	//
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status WebhookEndpointStatus `json:"status,omitempty,omitzero"`
}

// WebhookEndpointList is a list of WebhookEndpoints.
//
// +kubebuilder:object:root=true
type WebhookEndpointList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the endpoints.
	Items []WebhookEndpoint `json:"items"`
}

// GetConditions returns the conditions of the status.
func (e *WebhookEndpoint) GetConditions() []metav1.Condition { return e.Status.Conditions }

// SetConditions replaces the conditions of the status.
func (e *WebhookEndpoint) SetConditions(c []metav1.Condition) { e.Status.Conditions = c }

// SigningSecretName returns the name of the Secret that holds the signing key: the user's own, or the
// one that the operator creates; empty for the scheme None.
func (e *WebhookEndpoint) SigningSecretName() string {
	s := e.Spec.Signing
	switch {
	case s == nil:
		return e.Name + SigningSecretSuffix
	case s.Scheme == SigningSchemeNone:
		return ""
	case s.SecretRef != nil:
		return string(s.SecretRef.Name)
	default:
		return e.Name + SigningSecretSuffix
	}
}
