// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/ingest"
)

// FuzzHandler sends arbitrary requests: each is stored or refused, with an answer of the right form.
func FuzzHandler(f *testing.F) {
	f.Add(path, structured, "", "", orderPlaced("1"))
	f.Add(path, batch, "k", "", "["+orderPlaced("1")+"]")
	f.Add(path+"/a%2Fb", plain, "", "", "{}")
	f.Add(path, plain, "k", "t", "null")
	f.Add(path, "text/plain;charset=x", "", "", "x")
	h := newHandler(f, ingest.Options{Log: openLog(f, eventlog.Options{})})
	f.Fuzz(func(t *testing.T, path, contentType, key, eventType, body string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || !strings.HasPrefix(path, "/") {
			return // the server refuses such a request by itself
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		r.URL = u
		for name, value := range map[string]string{
			"Content-Type": contentType, ingest.HeaderKey: key, ingest.HeaderType: eventType,
		} {
			if value != "" {
				r.Header[name] = []string{value}
			}
		}
		recorder := httptest.NewRecorder()
		h.ServeHTTP(recorder, r)
		if got := read(t, recorder.Code, recorder.Header(), recorder.Body); got.status >= http.StatusInternalServerError {
			t.Errorf("status %d: %s", got.status, got.refusal.Detail)
		}
	})
}
