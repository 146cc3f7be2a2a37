// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/posthorn-dev/posthorn/internal/httpsend"
)

// payload is a body of the usual size.
var payload = bytes.Repeat([]byte("x"), 512)

// header is that of a usual request.
func header() http.Header {
	return http.Header{
		"Content-Type":      {"application/cloudevents+json"},
		"Webhook-Id":        {"msg_p5jXN8AQM9LWM0D4loKWxJek"},
		"Webhook-Timestamp": {"1614265330"},
		"Webhook-Signature": {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
	}
}

// BenchmarkSend is to be read beside BenchmarkNetHTTP, the bare loop that it cannot beat.
func BenchmarkSend(b *testing.B) {
	r := newReceiver(b, nil)
	c := newClient(b, httpsend.Options{})
	request := post(endpoint(b, r.URL+"/hooks"))
	request.Body = payload
	b.ReportAllocs()
	for b.Loop() {
		request.Header = header()
		if got := c.Send(b.Context(), request); got.StatusCode != http.StatusNoContent {
			b.Fatalf("response = %+v", got)
		}
	}
}

// BenchmarkNetHTTP posts over net/http alone.
func BenchmarkNetHTTP(b *testing.B) {
	r := newReceiver(b, nil)
	client := &http.Client{Transport: &http.Transport{}}
	b.Cleanup(client.CloseIdleConnections)
	b.ReportAllocs()
	for b.Loop() {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, r.URL+"/hooks", bytes.NewReader(payload))
		if err != nil {
			b.Fatal(err)
		}
		req.Header = header()
		answer, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			b.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
