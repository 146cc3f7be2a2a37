// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend

import (
	"crypto/tls"
	"crypto/x509"

	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// tlsConfig makes the configuration of connections from an endpoint's material. The endpoint's CA
// bundle replaces the system's roots for the endpoint itself; for token endpoints it adds to them,
// since those are often a public service even where the receiver is an internal one.
func tlsConfig(m *delivery.TLS, forTokens bool) (*tls.Config, error) {
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ClientSessionCache: tls.NewLRUClientSessionCache(0),
	}
	if m == nil {
		return config, nil
	}
	config.ServerName = m.ServerName
	if len(m.CA) > 0 {
		roots, err := rootCAs(m.CA, forTokens)
		if err != nil {
			return nil, err
		}
		config.RootCAs = roots
	}
	if len(m.Certificate) > 0 || len(m.Key) > 0 {
		certificate, err := tls.X509KeyPair(m.Certificate, m.Key)
		if err != nil {
			return nil, &tlsError{errClientCertificate}
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return config, nil
}

// rootCAs reads a PEM bundle, on top of the system's roots or alone.
func rootCAs(bundle []byte, onTop bool) (*x509.CertPool, error) {
	roots := x509.NewCertPool()
	if onTop {
		if system, err := x509.SystemCertPool(); err == nil {
			roots = system
		}
	}
	if !roots.AppendCertsFromPEM(bundle) {
		return nil, &tlsError{errBundle}
	}
	return roots, nil
}
