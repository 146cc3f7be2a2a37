// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posthorn-dev/posthorn/internal/ingest"
)

// pair is a certificate and its key in files.
type pair struct{ cert, key string }

// write puts a new certificate with that name into the files.
func (p pair) write(t *testing.T, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p.put(t, p.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	p.put(t, p.key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}))
}

// put writes a file with the time of the test as its own.
func (pair) put(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
}

func served(t *testing.T, c *ingest.CertificateReloader) string {
	t.Helper()
	certificate, err := c.GetCertificate(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	return certificate.Leaf.Subject.CommonName
}

func TestCertificateReloader_ServesANewCertificateWithin10s(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		p := pair{filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")}
		p.write(t, "first")
		c, err := ingest.NewCertificateReloader(p.cert, p.key, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		p.write(t, "second")
		if got := served(t, c); got != "first" {
			t.Errorf("serves %s before it looks again", got)
		}
		time.Sleep(10 * time.Second)
		if got := served(t, c); got != "second" {
			t.Errorf("serves %s, want second", got)
		}

		p.put(t, p.key, []byte("half a key"))
		time.Sleep(10 * time.Second)
		if got := served(t, c); got != "second" {
			t.Errorf("serves %s while the files are broken, want second", got)
		}
		p.write(t, "third")
		time.Sleep(10 * time.Second)
		if got := served(t, c); got != "third" {
			t.Errorf("serves %s, want third", got)
		}
		if err := os.Remove(p.cert); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if got := served(t, c); got != "third" {
			t.Errorf("serves %s while a file is gone, want third", got)
		}
	})
}

func TestNewCertificateReloader_RefusesFilesThatAreNotThere(t *testing.T) {
	if _, err := ingest.NewCertificateReloader("no.crt", "no.key", nil); err == nil {
		t.Error("no error")
	}
}
