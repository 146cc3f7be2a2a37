// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

func TestReceiver_TellsVerifiedFromForged(t *testing.T) {
	t.Parallel()
	const body = `{"id":"order-1","type":"com.example.order.created"}`
	tests := map[string]struct {
		signed     string
		age        time.Duration
		failing    bool
		want       int
		wantProven bool
	}{
		"what was signed":                     {signed: body, want: http.StatusOK, wantProven: true},
		"another body than was signed":        {signed: body + " ", want: http.StatusUnauthorized},
		"an old delivery, sent again":         {signed: body, age: time.Hour, want: http.StatusUnauthorized},
		"what was signed, while it must fail": {signed: body, failing: true, want: http.StatusInternalServerError, wantProven: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			r := newReceiver(secretFile(t), &out)
			if tc.failing {
				serve(r, "POST", "/control/fail", "", nil)
			}

			got := serve(r, "POST", "/hooks", body, signature(t, tc.signed, time.Now().Add(-tc.age)))
			if got.Code != tc.want {
				t.Errorf("status: got %d, want %d", got.Code, tc.want)
			}
			if proven := strings.Contains(out.String(), "signature verified"); proven != tc.wantProven {
				t.Errorf("printed %q, want verified: %t", out.String(), tc.wantProven)
			}
			seen := requestsOf(t, r)
			if len(seen) != 1 || seen[0].Verified != tc.wantProven || seen[0].EventID != "order-1" || seen[0].Status != tc.want {
				t.Errorf("remembered %+v", seen)
			}
		})
	}
}

func TestReceiver_WorksAgainWhenTold(t *testing.T) {
	t.Parallel()
	r := newReceiver(secretFile(t), &bytes.Buffer{})
	var got []int
	for _, path := range []string{"/control/fail", "/control/recover"} {
		serve(r, "POST", path, "", nil)
		got = append(got, serve(r, "POST", "/hooks", "{}", signature(t, "{}", time.Now())).Code)
	}
	if got[0] != http.StatusInternalServerError || got[1] != http.StatusOK {
		t.Errorf("statuses: got %v, want 500 and 200", got)
	}
}

func TestReceiver_NeedsTheSecret(t *testing.T) {
	t.Parallel()
	r := newReceiver(filepath.Join(t.TempDir(), "absent"), &bytes.Buffer{})
	if got := serve(r, "POST", "/hooks", "{}", signature(t, "{}", time.Now())); got.Code != http.StatusUnauthorized {
		t.Errorf("status: got %d, want 401", got.Code)
	}
}

func TestReceiver_KnowsTheSecretOfEachEndpoint(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secrets")
	const other = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
	if err := os.WriteFile(path, []byte(other+"\n"+secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newReceiver(path, &bytes.Buffer{})
	if got := serve(r, "POST", "/hooks", "{}", signature(t, "{}", time.Now())); got.Code != http.StatusOK {
		t.Errorf("status: got %d, want 200", got.Code)
	}
	if got := serve(r, "POST", "/hooks", "{}", signature(t, "[]", time.Now())); got.Code != http.StatusUnauthorized {
		t.Errorf("status of a forgery: got %d, want 401", got.Code)
	}
}

func TestReceiver_TakesTextAsSlackDoes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body string
		want int
		text string
	}{
		"a text":    {body: `{"text": "Alert disk is firing"}`, want: http.StatusOK, text: "Alert disk is firing"},
		"no text":   {body: `{"id": 1}`, want: http.StatusBadRequest},
		"no object": {body: `Alert`, want: http.StatusBadRequest},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(secretFile(t), &bytes.Buffer{})
			if got := serve(r, "POST", "/slack", tc.body, nil); got.Code != tc.want {
				t.Errorf("status: got %d, want %d", got.Code, tc.want)
			}
			if seen := requestsOf(t, r); len(seen) != 1 || seen[0].Path != "/slack" || seen[0].Text != tc.text {
				t.Errorf("remembered %+v, want the text %q", seen, tc.text)
			}
		})
	}
}

func secretFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func signature(t *testing.T, body string, at time.Time) http.Header {
	t.Helper()
	webhook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	value, err := webhook.Sign("msg_1", at, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	h.Set(standardwebhooks.HeaderWebhookID, "msg_1")
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, value)
	return h
}

func serve(r *receiver, method, path, body string, header http.Header) *httptest.ResponseRecorder {
	hr := httptest.NewRequest(method, path, strings.NewReader(body))
	maps.Copy(hr.Header, header)
	w := httptest.NewRecorder()
	r.handler().ServeHTTP(w, hr)
	return w
}

func requestsOf(t *testing.T, r *receiver) []request {
	t.Helper()
	var seen []request
	if err := json.Unmarshal(serve(r, "GET", "/requests", "", nil).Body.Bytes(), &seen); err != nil {
		t.Fatal(err)
	}
	return seen
}
