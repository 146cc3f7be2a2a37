// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/httpsend"
)

// certificatePEM returns the certificate of a server, which signs itself.
func certificatePEM(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

// withTLS makes a receiver speak TLS, with HTTP/2 if wanted.
func withTLS(http2 bool) func(*httptest.Server) {
	return func(s *httptest.Server) {
		s.EnableHTTP2 = http2
		s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
}

// issue makes a certificate and key in PEM.
func issue(t *testing.T, notAfter time.Time) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "client"},
		DNSNames:              []string{"receiver.example"},
		NotBefore:             time.Now().Add(-48 * time.Hour),
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

func TestSend_TLSAndHTTP2(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		http2 bool
		want  string
	}{
		"HTTP/2 where it is offered": {true, "HTTP/2.0"},
		"HTTP/1.1 where it is not":   {false, "HTTP/1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, nil, withTLS(tc.http2))
			e := endpoint(t, r.URL)
			e.TLS = &delivery.TLS{CA: certificatePEM(r.Server)}
			c := newClient(t, httpsend.Options{})
			for range 5 {
				wantDelivered(t, send(t, c, e))
			}
			if got := r.seen()[0]; got.Proto != tc.want || got.body != `{"hello":"world"}` {
				t.Errorf("got %s with %q, want %s", got.Proto, got.body, tc.want)
			}
			if n := r.connections(); n != 1 {
				t.Errorf("%d connections, want 1", n)
			}
		})
	}
}

func TestSend_TLSFailures(t *testing.T) {
	t.Parallel()
	plain := newReceiver(t, nil)
	secure := newReceiver(t, nil, withTLS(true))
	secure.Config.ErrorLog = nil
	ca := certificatePEM(secure.Server)
	otherCA, key := issue(t, time.Now().Add(time.Hour))
	expired, expiredKey := issue(t, time.Now().Add(-time.Hour))
	pair, err := tls.X509KeyPair(expired, expiredKey)
	if err != nil {
		t.Fatal(err)
	}
	outdated := newReceiver(t, nil, func(s *httptest.Server) {
		s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	})
	garbage := rawServer(t, func(_ int, conn net.Conn) {
		// The handshake fails whatever becomes of this.
		_, _ = conn.Write([]byte("\x16\x03\x03\x00\x02\xff\xff"))
	})
	tests := map[string]struct {
		url  string
		tls  *delivery.TLS
		want string
	}{
		"a certificate that nobody trusts": {secure.URL, nil, "not signed by a trusted authority"},
		"another authority":                {secure.URL, &delivery.TLS{CA: otherCA}, "not signed by a trusted authority"},
		"another name":                     {secure.URL, &delivery.TLS{CA: ca, ServerName: "other.test"}, "not valid for its host name"},
		"an expired certificate": {
			outdated.URL, &delivery.TLS{CA: expired, ServerName: "receiver.example"}, "has expired or is not valid yet",
		},
		"a server without TLS":          {strings.Replace(plain.URL, "http", "https", 1), nil, "answered without TLS"},
		"a handshake that is none":      {strings.Replace(garbage, "http", "https", 1), nil, "handshake"},
		"a CA bundle that is none":      {secure.URL, &delivery.TLS{CA: []byte("hello")}, "CA bundle holds no certificate"},
		"a certificate without its key": {secure.URL, &delivery.TLS{CA: ca, Certificate: otherCA}, "not a pair"},
		"a key of another certificate":  {secure.URL, &delivery.TLS{CA: ca, Certificate: expired, Key: key}, "not a pair"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := endpoint(t, tc.url)
			e.TLS = tc.tls
			got := send(t, newClient(t, httpsend.Options{}), e)
			wantReason(t, got, delivery.ReasonTLS)
			if !strings.Contains(got.Message, tc.want) {
				t.Errorf("message %q, want one with %q", got.Message, tc.want)
			}
		})
	}
}

func TestSend_ClientCertificate(t *testing.T) {
	t.Parallel()
	certificate, key := issue(t, time.Now().Add(time.Hour))
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(certificate)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		r := newReceiver(t, nil, func(s *httptest.Server) {
			s.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients, MinVersion: version, MaxVersion: version}
		})
		e := endpoint(t, r.URL)
		e.TLS = &delivery.TLS{CA: certificatePEM(r.Server), Certificate: certificate, Key: key}
		c := newClient(t, httpsend.Options{})
		wantDelivered(t, send(t, c, e))
		if got := r.seen()[0].TLS.PeerCertificates[0].Subject.CommonName; got != "client" {
			t.Errorf("the client is %q", got)
		}
		without := endpoint(t, r.URL)
		without.TLS = &delivery.TLS{CA: e.TLS.CA}
		wantReason(t, send(t, c, without), delivery.ReasonTLS)
	}
}

func TestSend_ServerNameReplacesTheHost(t *testing.T) {
	t.Parallel()
	names := make(chan string, 1)
	r := newReceiver(t, nil, func(s *httptest.Server) {
		s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			names <- h.ServerName
			return nil, nil
		}}
	})
	e := endpoint(t, r.URL)
	e.TLS = &delivery.TLS{CA: certificatePEM(r.Server), ServerName: "example.com"}
	wantDelivered(t, send(t, newClient(t, httpsend.Options{}), e))
	if got := <-names; got != "example.com" {
		t.Errorf("SNI is %q", got)
	}
	if got := r.seen()[0].Host; got != r.Listener.Addr().String() {
		t.Errorf("Host is %q", got)
	}
}

func TestSend_ConnectionsAreSharedWithinANamespaceAndItsMaterial(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil, withTLS(false))
	ca := certificatePEM(r.Server)
	certificate, key := issue(t, time.Now().Add(time.Hour))
	c := newClient(t, httpsend.Options{})
	steps := []struct {
		name            delivery.Name
		tls             delivery.TLS
		wantConnections int
	}{
		{delivery.Name{Namespace: "team-a", Name: "one"}, delivery.TLS{CA: ca}, 1},
		{delivery.Name{Namespace: "team-a", Name: "two"}, delivery.TLS{CA: ca}, 1},
		{delivery.Name{Namespace: "team-b", Name: "one"}, delivery.TLS{CA: ca}, 2},
		{delivery.Name{Namespace: "team-a", Name: "three"}, delivery.TLS{CA: ca, Certificate: certificate, Key: key}, 3},
		{delivery.Name{Namespace: "team-a", Name: "four"}, delivery.TLS{CA: ca, ServerName: "example.com"}, 4},
		{delivery.Name{Namespace: "team-a", Name: "one"}, delivery.TLS{CA: ca}, 4},
	}
	for i, step := range steps {
		e := endpoint(t, r.URL)
		e.Name, e.TLS = step.name, &step.tls
		wantDelivered(t, send(t, c, e))
		if n := r.connections(); n != step.wantConnections {
			t.Errorf("step %d: %d connections, want %d", i, n, step.wantConnections)
		}
	}
}
