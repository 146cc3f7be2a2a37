// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// Names of the files of the two certificate authorities and of the key that signs ServiceAccounts' tokens.
const (
	caName             = "ca"
	frontProxyCAName   = "front-proxy-ca"
	serviceAccountName = "service-account"
)

// validity of all certificates; a demo may stay up for days.
const validity = 30 * 24 * time.Hour

// user is who a client certificate stands for.
type user struct {
	file   string
	name   string
	groups []string
}

// The users that have certificates.
var (
	userAdmin             = user{file: "admin", name: "admin", groups: []string{"system:masters"}}
	userControllerManager = user{file: "controller-manager", name: "system:kube-controller-manager"}
	userFrontProxy        = user{file: "front-proxy", name: "front-proxy-client"}
)

// keyring is a directory of PEM files: name.crt, name.key and name.pub.
type keyring struct{ dir string }

func (k *keyring) certFile(name string) string      { return filepath.Join(k.dir, name+".crt") }
func (k *keyring) keyFile(name string) string       { return filepath.Join(k.dir, name+".key") }
func (k *keyring) publicKeyFile(name string) string { return filepath.Join(k.dir, name+".pub") }

// newKeyring makes all keys and certificates of one control plane.
func newKeyring(dir, serviceRange string) (*keyring, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make key directory: %w", err)
	}
	k := &keyring{dir: dir}
	ca, err := k.newAuthority(caName)
	if err != nil {
		return nil, err
	}
	frontProxyCA, err := k.newAuthority(frontProxyCAName)
	if err != nil {
		return nil, err
	}
	if err := k.newServingCertificate(ca, serviceRange); err != nil {
		return nil, err
	}
	for _, u := range []user{userAdmin, userControllerManager} {
		if err := k.newClientCertificate(ca, u); err != nil {
			return nil, err
		}
	}
	if err := k.newClientCertificate(frontProxyCA, userFrontProxy); err != nil {
		return nil, err
	}
	return k, k.newTokenKey()
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (k *keyring) newAuthority(name string) (*authority, error) {
	template := template(pkix.Name{CommonName: name})
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	cert, key, err := k.issue(name, template, nil)
	return &authority{cert: cert, key: key}, err
}

func (k *keyring) newServingCertificate(ca *authority, serviceRange string) error {
	prefix, err := netip.ParsePrefix(serviceRange)
	if err != nil {
		return fmt.Errorf("parse service range: %w", err)
	}
	template := template(pkix.Name{CommonName: "kube-apiserver"})
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	// The first address of the range is that of the Service kubernetes.
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), prefix.Masked().Addr().Next().AsSlice()}
	template.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	_, _, err = k.issue("apiserver", template, ca)
	return err
}

func (k *keyring) newClientCertificate(ca *authority, u user) error {
	template := template(pkix.Name{CommonName: u.name, Organization: u.groups})
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	_, _, err := k.issue(u.file, template, ca)
	return err
}

// newTokenKey writes the key pair that signs and verifies ServiceAccounts' tokens.
func (k *keyring) newTokenKey() error {
	key, err := k.newKey(serviceAccountName)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return fmt.Errorf("encode public key: %w", err)
	}
	return writePEM(k.publicKeyFile(serviceAccountName), "PUBLIC KEY", public)
}

func template(subject pkix.Name) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		Subject: subject,
		// An hour back, for clocks that were set after the start.
		NotBefore: now.Add(-time.Hour),
		NotAfter:  now.Add(validity),
		KeyUsage:  x509.KeyUsageDigitalSignature,
	}
}

// issue makes a key and a certificate for it, signed by ca, or by itself when ca is nil.
func (k *keyring) issue(
	name string, template *x509.Certificate, ca *authority,
) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := k.newKey(name)
	if err != nil {
		return nil, nil, err
	}
	template.SerialNumber = new(big.Int).SetBytes([]byte(rand.Text()))
	signer := &authority{cert: template, key: key}
	if ca != nil {
		signer = ca
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.cert, &key.PublicKey, signer.key)
	if err != nil {
		return nil, nil, fmt.Errorf("sign certificate of %s: %w", name, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("parse certificate of %s: %w", name, err)
	}
	return cert, key, writePEM(k.certFile(name), "CERTIFICATE", der)
}

func (k *keyring) newKey(name string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate key of %s: %w", name, err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key of %s: %w", name, err)
	}
	return key, writePEM(k.keyFile(name), "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	block := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(path, block, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}
