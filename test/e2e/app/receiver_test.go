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

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	secret  = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	another = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
	order   = `{"id":"order-1","type":"com.example.order.created"}`
)

func TestReceiver_TellsVerifiedFromRefused(t *testing.T) {
	t.Parallel()
	r := newReceiver(secretFile(t), &bytes.Buffer{})
	for _, request := range []struct {
		key, signed, sent string
		want              int
	}{
		{secret, order, order, http.StatusOK},
		{secret, order, order, http.StatusOK},
		{secret, order + " ", order, http.StatusUnauthorized},
		{another, order, order, http.StatusUnauthorized},
	} {
		if got := send(r, "/hooks", request.sent, signature(t, request.key, request.signed)); got != request.want {
			t.Errorf("%+v was answered %d", request, got)
		}
	}

	got := told(t, r)
	if got.Verified != 2 || got.Refused != 2 || len(got.Problems) != 2 || got.Signatures != 1 {
		t.Errorf("told %+v", got)
	}
	want := map[string]*arrivals{"order-1": {Requests: 2, Type: "com.example.order.created", WebhookIDs: []string{"msg_1"}}}
	if diff := cmp.Diff(want, got.Events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestReceiver_VerifiesWithTheSecretThatItWasTold(t *testing.T) {
	t.Parallel()
	r := newReceiver("", &bytes.Buffer{})
	if got := send(r, "/hooks", order, signature(t, secret, order)); got != http.StatusUnauthorized {
		t.Errorf("without a secret it answered %d", got)
	}
	send(r, "/control/secret", secret+"\n", nil)
	if got := send(r, "/hooks", order, signature(t, secret, order)); got != http.StatusOK {
		t.Errorf("with the secret it answered %d", got)
	}
}

func TestReceiver_FailsWhileItIsTold(t *testing.T) {
	t.Parallel()
	r := newReceiver(secretFile(t), &bytes.Buffer{})
	var got []int
	for _, path := range []string{"/control/fail", "/control/recover"} {
		send(r, path, "", nil)
		got = append(got, send(r, "/hooks", order, signature(t, secret, order)))
	}
	if diff := cmp.Diff([]int{http.StatusInternalServerError, http.StatusOK}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func secretFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func signature(t *testing.T, key, body string) http.Header {
	t.Helper()
	webhook, err := standardwebhooks.NewWebhook(key)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	value, err := webhook.Sign("msg_1", now, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return http.Header{
		http.CanonicalHeaderKey(standardwebhooks.HeaderWebhookID):        {"msg_1"},
		http.CanonicalHeaderKey(standardwebhooks.HeaderWebhookTimestamp): {strconv.FormatInt(now.Unix(), 10)},
		http.CanonicalHeaderKey(standardwebhooks.HeaderWebhookSignature): {value},
	}
}

func send(r *receiver, path, body string, header http.Header) int {
	request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	maps.Copy(request.Header, header)
	recorder := httptest.NewRecorder()
	r.handler().ServeHTTP(recorder, request)
	return recorder.Code
}

func told(t *testing.T, r *receiver) received {
	t.Helper()
	recorder := httptest.NewRecorder()
	r.handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/received", nil))
	var got received
	if err := json.Unmarshal(recorder.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	return got
}
