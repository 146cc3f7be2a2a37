// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"context"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"k8s.io/client-go/rest"
)

// proxy stands before the API server.
type proxy struct {
	config *rest.Config
	// refuse says which requests are answered 500; nil means none. It is set before the first.
	refuse func(*http.Request) bool
}

// newProxy returns a proxy that has the answers changed; nil leaves them as they are.
func newProxy(t *testing.T, config *rest.Config, change func(*http.Response) error) *proxy {
	t.Helper()
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{}
	reverse := httputil.NewSingleHostReverseProxy(target)
	reverse.Transport, reverse.FlushInterval, reverse.ModifyResponse = transport, -1, change
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.refuse != nil && p.refuse(r) {
			http.Error(w, "not now", http.StatusInternalServerError)
			return
		}
		reverse.ServeHTTP(w, r)
	}))
	// The end of the test ends the requests, or Close would wait for a watch that the Runner has opened anew.
	server.Config.BaseContext = func(net.Listener) context.Context { return t.Context() }
	server.StartTLS()
	t.Cleanup(server.Close)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	p.config = &rest.Config{Host: server.URL, TLSClientConfig: rest.TLSClientConfig{CAData: certificate}}
	return p
}
