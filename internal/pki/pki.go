// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pki makes the certificate that ingest shows to producers, and the authority that signs it.
//
// An authority is good for ten years and announced long before it signs anything: producers copy the
// bundle of what they shall trust, so a new authority is in the bundle a year before it is used.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	day = 24 * time.Hour
	// AuthorityLife is how long an authority is valid.
	AuthorityLife = 3650 * day
	// AnnounceBefore is how long before its end an authority is given a successor, which is trusted from then on.
	AnnounceBefore = 730 * day
	// SwitchBefore is how long before the end of an authority its successor begins to sign.
	SwitchBefore = 365 * day
	// CertificateLife is how long a serving certificate is valid.
	CertificateLife = 90 * day
	// RenewBefore is how long before its end a serving certificate is made anew.
	RenewBefore = 30 * day
	// backdate is how much earlier than now validity begins, for clocks that are slow.
	backdate = time.Hour
)

// Pair is a certificate and its key, both PEM.
type Pair struct {
	Certificate, Key []byte
}

// parsed is a pair that can sign.
type parsed struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// parse reads a pair.
func (p Pair) parse() (*parsed, error) {
	certificate, err := parseCertificate(p.Certificate)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(p.Key)
	if block == nil {
		return nil, errors.New("decode key: not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("decode key: %w", err)
	}
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok || !private.PublicKey.Equal(certificate.PublicKey) {
		return nil, errors.New("the key is not the certificate's")
	}
	return &parsed{certificate, private}, nil
}

// parseCertificate reads the first certificate of a PEM file.
func parseCertificate(b []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("decode certificate: not PEM")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("decode certificate: %w", err)
	}
	return c, nil
}

// Authority is what signs serving certificates: the authority of now, and the one that follows it, once that is
// announced.
type Authority struct {
	Current, Next Pair
}

// Renew brings the authority up to date: it makes one where there is none that can be used, announces a
// successor in time, and switches to it in time. It reports whether anything changed.
func (a *Authority) Renew(now time.Time) (changed bool, err error) {
	current, invalid := a.Current.parse()
	if invalid != nil || !now.Before(current.certificate.NotAfter) {
		a.Next = Pair{}
		a.Current, err = newAuthority(now)
		return true, err
	}
	left := current.certificate.NotAfter.Sub(now)
	if _, invalid := a.Next.parse(); invalid != nil && left <= AnnounceBefore {
		if a.Next, err = newAuthority(now); err != nil {
			return false, err
		}
		changed = true
	}
	if left <= SwitchBefore && !changed {
		a.Current, a.Next = a.Next, a.Current // the old one stays trusted for what it has signed
		return true, nil
	}
	return changed, nil
}

// Bundle is what producers shall trust, PEM: the authority of now, and the other one while it is valid.
func (a *Authority) Bundle(now time.Time) []byte {
	bundle := slices.Clone(a.Current.Certificate)
	if other, err := a.Next.parse(); err == nil && now.Before(other.certificate.NotAfter) {
		bundle = append(bundle, a.Next.Certificate...)
	}
	return bundle
}

// Issue signs a serving certificate for the names, the first of which is its common name.
func (a *Authority) Issue(names []string, now time.Time) (Pair, error) {
	authority, err := a.Current.parse()
	if err != nil {
		return Pair{}, fmt.Errorf("use authority: %w", err)
	}
	template := newTemplate(names[0], now, CertificateLife)
	template.DNSNames = names
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if template.NotAfter.After(authority.certificate.NotAfter) {
		template.NotAfter = authority.certificate.NotAfter
	}
	return sign(template, authority)
}

// Serves reports whether a serving certificate is one of this authority, for exactly these names, and not due
// to be renewed.
func (a *Authority) Serves(p Pair, names []string, now time.Time) bool {
	served, err := p.parse()
	if err != nil {
		return false
	}
	authority, err := a.Current.parse()
	if err != nil || served.certificate.CheckSignatureFrom(authority.certificate) != nil {
		return false
	}
	return slices.Equal(served.certificate.DNSNames, names) && now.Add(RenewBefore).Before(served.certificate.NotAfter)
}

// newAuthority makes a self-signed authority.
func newAuthority(now time.Time) (Pair, error) {
	template := newTemplate("Posthorn ingest authority", now, AuthorityLife)
	template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	return sign(template, nil)
}

// newTemplate is what all certificates share.
func newTemplate(name string, now time.Time, life time.Duration) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-backdate), NotAfter: now.Add(life),
	}
}

// sign makes a key and a certificate for it, signed by the authority or, without one, by itself.
func sign(template *x509.Certificate, by *parsed) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("make key: %w", err)
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return Pair{}, fmt.Errorf("sign certificate: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("encode key: %w", err)
	}
	var p Pair
	p.Certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	p.Key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	return p, nil
}
