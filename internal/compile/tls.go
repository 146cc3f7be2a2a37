// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"unicode"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// compileTLS sets what connections trust and present, once it has seen that it can be used.
func compileTLS(spec *hookv1.WebhookEndpointSpec, c *Credentials, e *delivery.Endpoint) error {
	if spec.TLS == nil {
		return nil
	}
	// The schema says the same of url and serviceRef; the URL of a Secret it cannot see.
	if e.URL.Scheme != "https" && spec.URLFrom != nil {
		return fieldErrorf("spec.urlFrom.secretKeyRef", "the value must begin with https:// beside spec.tls: change it, or remove tls")
	}
	if e.URL.Scheme != "https" {
		return fieldErrorf("spec.tls", "needs a URL that begins with https://: change the URL, or remove tls")
	}
	t := &delivery.TLS{ServerName: spec.TLS.ServerName}
	if spec.TLS.CARef != nil {
		if !x509.NewCertPool().AppendCertsFromPEM([]byte(c.CA)) {
			return fieldErrorf("spec.tls.caRef", "%s %s holds no certificate in PEM", caKind(spec.TLS.CARef), spec.TLS.CARef.Name)
		}
		t.CA = []byte(c.CA)
	}
	if ref := spec.TLS.ClientCertificateRef; ref != nil {
		// The error of the parser may quote the key, so it is not passed on.
		if _, err := tls.X509KeyPair([]byte(c.ClientCertificate), []byte(c.ClientKey)); err != nil {
			return fieldErrorf("spec.tls.clientCertificateRef", "Secret %s must hold a certificate and its key in PEM, as tls.crt and tls.key", ref.Name)
		}
		t.Certificate, t.Key = []byte(c.ClientCertificate), []byte(c.ClientKey)
	}
	e.TLS = t
	return nil
}

// caKind returns the kind of a reference; ConfigMap where it names none.
func caKind(ref *hookv1.CARef) hookv1.CARefKind {
	if ref.Kind == "" {
		return hookv1.CARefKindConfigMap
	}
	return ref.Kind
}

func containsColon(s string) bool { return strings.Contains(s, ":") }

func containsControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }
