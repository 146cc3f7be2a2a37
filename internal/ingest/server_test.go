// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/ingest"
)

// serve runs a handler behind a real server.
func serve(t *testing.T, h http.Handler, configure func(*http.Server)) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	ingest.Configure(s.Config)
	if configure != nil {
		configure(s.Config)
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// exchange writes a raw request and reads the answer.
func exchange(t *testing.T, s *httptest.Server, raw string) *reply {
	t.Helper()
	connection, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	if _, err := io.WriteString(connection, raw); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	return read(t, answer.StatusCode, answer.Header, answer.Body)
}

func TestHandler_BoundsABodyOfUnknownLength(t *testing.T) {
	s := serve(t, newHandler(t, ingest.Options{}), nil)
	body := io.MultiReader(strings.NewReader(orderPlaced("1")), strings.NewReader(strings.Repeat(" ", 1<<20)))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, io.NopCloser(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", structured)
	answer, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	read(t, answer.StatusCode, answer.Header, answer.Body).want(t, http.StatusRequestEntityTooLarge)
}

func TestHandler_GivesUpOnABodyThatDoesNotCome(t *testing.T) {
	s := serve(t, newHandler(t, ingest.Options{}), func(c *http.Server) { c.ReadTimeout = 100 * time.Millisecond })
	raw := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 100\r\n\r\n{", path, structured)
	exchange(t, s, raw).want(t, http.StatusRequestTimeout)
}

func TestHandler_TakesAttributesOf16KiBPercentEncoded(t *testing.T) {
	s := serve(t, newHandler(t, ingest.Options{}), nil)
	raw := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nce-type: t\r\n"+
		"ce-subject: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", path, strings.Repeat("%C3%A4", 8<<10-100))
	exchange(t, s, raw).want(t, http.StatusAccepted)
}

func TestHandler_MountsOnAMux(t *testing.T) {
	mux := http.NewServeMux()
	newHandler(t, ingest.Options{}).Mount(mux)
	send(t, mux, request{body: orderPlaced("1")}).want(t, http.StatusAccepted)
	send(t, mux, request{path: path + "/a%2Fb", contentType: plain, body: "{}"}).want(t, http.StatusAccepted)
	send(t, mux, request{method: http.MethodDelete}).want(t, http.StatusMethodNotAllowed)
}
