// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	certutil "k8s.io/client-go/util/cert"
)

// keyPair is the files of a certificate and its key.
type keyPair struct{ cert, key string }

// replace writes a new certificate for 127.0.0.1 and returns the TLS of a client that trusts it and no other.
func (p keyPair) replace(t *testing.T) *tls.Config {
	t.Helper()
	cert, key, err := certutil.GenerateSelfSignedCertKey("localhost", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{p.cert: cert, p.key: key} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(cert) {
		t.Fatal("the certificate cannot be read")
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}}
}

// handshake connects, and returns the protocol that was agreed on.
func handshake(ctx context.Context, address string, client *tls.Config) (string, error) {
	conn, err := (&tls.Dialer{Config: client}).DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	return conn.(*tls.Conn).ConnectionState().NegotiatedProtocol, conn.Close()
}

func TestDispatcher_TakesEventsOverTLSWithTheCertificateOfNow(t *testing.T) {
	namespace := tenant(t, "posthorn-producer")
	bearer := token(t, namespace, "posthorn")
	dir := t.TempDir()
	files := keyPair{filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")}
	first := files.replace(t)
	d := startDispatcher(t, own(t), "--tls-cert-file", files.cert, "--tls-key-file", files.key)
	// post posts over TLS, in a connection of its own.
	post := func(client *tls.Config, id string) (int, string) {
		transport := &http.Transport{TLSClientConfig: client, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		d.http.Transport = transport
		return d.do(http.MethodPost, "https://"+d.started.Ingest+"/v1/namespaces/"+namespace+"/events", bearer,
			map[string]string{"Content-Type": "application/cloudevents+json"},
			`{"specversion":"1.0","id":"`+id+`","source":"/shop","type":"com.example.order.placed"}`)
	}
	eventually(t, "events are taken", func(context.Context) (bool, error) {
		code, _ := post(first, "1")
		return code == http.StatusAccepted, nil
	})
	for name, address := range map[string]string{"ingest": d.started.Ingest, "the metrics": d.started.Metrics} {
		if protocol, err := handshake(t.Context(), address, first); err != nil || protocol != "h2" {
			t.Errorf("%s: agreed on %q (%v), want HTTP/2 under the certificate of the files", name, protocol, err)
		}
	}

	second := files.replace(t)
	eventually(t, "the new certificate is served", func(ctx context.Context) (bool, error) {
		_, err := handshake(ctx, d.started.Ingest, second)
		return err == nil, nil
	})
	if code, body := post(second, "2"); code != http.StatusAccepted {
		t.Errorf("post under the new certificate: got %d: %s", code, body)
	}
	for name, address := range map[string]string{"ingest": d.started.Ingest, "the metrics": d.started.Metrics} {
		if _, err := handshake(t.Context(), address, second); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := handshake(t.Context(), address, first); err == nil {
			t.Errorf("%s: the old certificate is still served", name)
		}
	}
	if err := d.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}
