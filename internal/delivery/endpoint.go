// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"cmp"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/signing"
)

// Name is the identity of an object: its namespace and name. Posthorn identifies by name, not by
// UID, since GitOps replaces objects and restored backups change UIDs.
type Name struct {
	Namespace, Name string
}

// String returns namespace/name, the form of log keys.
func (n Name) String() string { return n.Namespace + "/" + n.Name }

// Compare orders names by namespace, then by name.
func (n Name) Compare(other Name) int {
	return cmp.Or(strings.Compare(n.Namespace, other.Namespace), strings.Compare(n.Name, other.Name))
}

// Endpoint is a WebhookEndpoint compiled with its credentials: all that one needs to send there.
// It is immutable; a change of spec or of a Secret makes a new one.
type Endpoint struct {
	Name Name
	// UID and Generation are those of the object that was compiled.
	UID        string
	Generation int64
	// Revision changes with anything that was compiled in, credentials included.
	Revision string
	// URL is the destination, with its path and query. It may be a secret: only Host is printed.
	URL *url.URL
	// Host is the destination's host, with its port where the URL names one; safe to print.
	Host string
	// Header holds the headers that the tenant adds, values of Secrets resolved.
	Header []HeaderField
	// Auth says how requests authenticate; nil when they do not.
	Auth *Auth
	// TLS says what connections trust and present; nil for the system's roots and no certificate.
	TLS *TLS
	// ServiceIP is the one address that is dialled for an endpoint with a serviceRef, and needs no
	// permission of the egress guard; the zero Addr otherwise.
	ServiceIP netip.Addr
	// Signer signs requests; nil for the scheme None.
	Signer *signing.Signer
	// Timeout bounds one attempt, from the dial to the last byte read.
	Timeout time.Duration
	// Concurrency is how many requests may be in flight.
	Concurrency int
	// Rate is requests per second, and Burst how many may go at once; a Rate of 0 means no limit.
	Rate  float64
	Burst int
	// Breaker configures the circuit breaker; ShareCircuit shares the circuit between the
	// endpoints of one namespace and host.
	Breaker      breaker.Config
	ShareCircuit bool
	// DisableAfter is how long the endpoint may fail without a success; 0 means for ever.
	DisableAfter time.Duration
	// Suspended endpoints send nothing: deliveries wait.
	Suspended bool
	// Enable is the value of the annotation posthorn.dev/enable: a new one enables a disabled endpoint.
	Enable string
	// AdmitsAll and Admits say which other namespaces may subscribe; its own always may.
	AdmitsAll bool
	Admits    []string
	// Redact lists the secret values that must not appear in what is kept of an answer.
	Redact []string
}

// AdmitsNamespace reports whether subscriptions of the namespace may send to the endpoint.
func (e *Endpoint) AdmitsNamespace(namespace string) bool {
	if e.AdmitsAll || namespace == e.Name.Namespace {
		return true
	}
	return slices.Contains(e.Admits, namespace)
}

// HeaderField is one header of a request.
type HeaderField struct {
	Name, Value string
}

// Auth is how requests authenticate. Exactly one member is set.
type Auth struct {
	Basic  *BasicAuth
	Bearer string
	OAuth2 *OAuth2ClientCredentials
}

// BasicAuth is HTTP basic authentication (RFC 7617).
type BasicAuth struct {
	Username, Password string
}

// OAuth2ClientCredentials is the client-credentials grant of RFC 6749, section 4.4.
type OAuth2ClientCredentials struct {
	TokenURL     string
	ClientID     string
	ClientSecret string
	Scopes       []string
	// Audience is sent as the parameter of that name, where set.
	Audience string
}

// TLS is what connections to one endpoint trust and present.
type TLS struct {
	// CA is a PEM bundle that replaces the system's roots; empty keeps them.
	CA []byte
	// Certificate and Key are a client certificate in PEM; both or neither.
	Certificate, Key []byte
	// ServerName replaces the URL's host in SNI and in the check of the certificate.
	ServerName string
}
