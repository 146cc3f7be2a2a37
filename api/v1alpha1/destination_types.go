// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// URL is an absolute URL of http or https, without credentials and without a fragment.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=2048
// +kubebuilder:validation:XValidation:rule="self.startsWith('https://') || self.startsWith('http://')",message="must begin with https:// or http://, in lower case: other schemes are not supported"
// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]*$')",message="must be ASCII without spaces: percent-encode other characters in the path and the query, and write a host of other letters in its xn-- form"
// +kubebuilder:validation:XValidation:rule="!self.matches('^[A-Za-z]+://[^/?#]*@')",message="must not hold a user name or a password: put them into a Secret and name it in authentication with type Basic"
// +kubebuilder:validation:XValidation:rule="!self.contains('#')",message="must not hold a fragment, which is never sent: remove the # and what follows it"
// +kubebuilder:validation:XValidation:rule="!self.matches('^https?://') || (isURL(self) && size(url(self).getHostname()) > 0 && (size(url(self).getPort()) == 0 || (size(url(self).getPort()) <= 5 && int(url(self).getPort()) >= 1 && int(url(self).getPort()) <= 65535)))",message="must be a well-formed URL with a host, and a port from 1 to 65535 where it names one, such as https://billing.example.com/hooks"
type URL string

// URLSource is where a secret URL is kept.
type URLSource struct {
	// secretKeyRef names the key of a Secret whose value is the URL.
	//
	// +required
	SecretKeyRef SecretKeySelector `json:"secretKeyRef,omitzero"`
}

// ServiceRef names a Service of the endpoint's own namespace. It must be of type ClusterIP and have a
// selector and an address: a headless or selectorless one and one of another type (ExternalName,
// NodePort, LoadBalancer) make ServiceResolved False with the reason ServiceNotAllowed.
type ServiceRef struct {
	// name of the Service.
	//
	// +required
	Name ObjectName `json:"name,omitempty"`

	// port is the number of one of the Service's ports: 1 to 65535.
	//
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`

	// path of the requests, beginning with a slash. Omitted: /.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^/[!-~]*$') && !self.contains('#')",message="path must begin with / and be ASCII without spaces and without #, such as /hooks: percent-encode other characters"
	Path string `json:"path,omitempty"`

	// scheme is http (the default) or https.
	//
	// +optional
	// +kubebuilder:default=http
	Scheme ServiceScheme `json:"scheme,omitempty"`
}

// ServiceScheme is how a Service is spoken to.
//
// +kubebuilder:validation:Enum=http;https
type ServiceScheme string

// Schemes of a serviceRef.
const (
	// ServiceSchemeHTTP sends without TLS.
	ServiceSchemeHTTP ServiceScheme = "http"
	// ServiceSchemeHTTPS sends with TLS; the certificate must be for <service>.<namespace>.svc, or for
	// tls.serverName.
	ServiceSchemeHTTPS ServiceScheme = "https"
)

// HeaderName is the name of a header that Posthorn and the connection leave to others.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=128
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_.-]+$')",message="must be the name of a header: letters, digits, '-', '_' and '.'"
// +kubebuilder:validation:XValidation:rule="!(self.lowerAscii() in ['host', 'content-type', 'content-length', 'content-encoding', 'user-agent', 'transfer-encoding', 'connection', 'keep-alive', 'proxy-connection', 'proxy-authorization', 'te', 'trailer', 'upgrade', 'expect', 'accept-encoding'])",message="must not be a header that Posthorn or the connection sets (Host, Content-*, User-Agent, Accept-Encoding, Connection and the like): remove it, or use a name of your own such as X-Env"
// +kubebuilder:validation:XValidation:rule="!self.lowerAscii().startsWith('ce-') && !self.lowerAscii().startsWith('posthorn-')",message="must not begin with ce- or posthorn-, which Posthorn sets itself: use a name of your own such as X-Env"
type HeaderName string

// Header is one header of each request. Exactly one of value and valueFrom is set.
//
// +kubebuilder:validation:XValidation:rule="has(self.value) != has(self.valueFrom)",message="exactly one of value and valueFrom must be set: write value for plain text, valueFrom for a value kept in a Secret"
type Header struct {
	// name of the header. Case does not matter.
	//
	// +required
	// +kubebuilder:validation:XValidation:rule="!self.lowerAscii().startsWith('webhook-')",message="must not begin with webhook-, which signing sets: use a name of your own such as X-Env"
	Name HeaderName `json:"name,omitempty"`

	// value of the header: visible ASCII, with spaces inside. For what is secret use valueFrom.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]([ -~]*[!-~])?$')",message="value must be visible ASCII, with spaces only inside: encode other characters, and remove line breaks"
	Value string `json:"value,omitempty"`

	// valueFrom takes the value from a Secret.
	//
	// +optional
	ValueFrom *HeaderSource `json:"valueFrom,omitempty"`
}

// HeaderSource is where the secret value of a header is kept.
type HeaderSource struct {
	// secretKeyRef names the key of a Secret whose value is the header's value. Where it cannot stand
	// in a header, Ready is False with the reason InvalidHeader.
	//
	// +required
	SecretKeyRef SecretKeySelector `json:"secretKeyRef,omitzero"`
}
