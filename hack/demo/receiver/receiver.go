// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	// maxBody is more than Posthorn takes as an event.
	maxBody = 2 << 20
	// keptRequests bounds what GET /requests tells.
	keptRequests = 1000
)

// request is what the receiver remembers of one webhook.
type request struct {
	Time      time.Time `json:"time"`
	Path      string    `json:"path"`
	WebhookID string    `json:"webhookID,omitempty"`
	EventID   string    `json:"eventID,omitempty"`
	EventType string    `json:"eventType,omitempty"`
	// Text is that of a message to /slack.
	Text string `json:"text,omitempty"`
	// Verified says that the signature is that of the body, made with the secret within the last 5 minutes.
	Verified bool   `json:"verified"`
	Problem  string `json:"problem,omitempty"`
	Status   int    `json:"status"`
}

// receiver takes webhooks. Its methods are safe for concurrent use.
type receiver struct {
	secretFile string

	mu       sync.Mutex
	out      io.Writer
	failing  bool
	requests []request
}

func newReceiver(secretFile string, out io.Writer) *receiver {
	return &receiver{secretFile: secretFile, out: out}
}

// handler serves webhooks, and what the demo and its user ask and tell the receiver.
func (r *receiver) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hooks", r.takeSigned)
	mux.HandleFunc("POST /slack", r.takeText)
	mux.HandleFunc("POST /control/fail", r.control(true, "fails from now on"))
	mux.HandleFunc("POST /control/recover", r.control(false, "works again"))
	mux.HandleFunc("GET /requests", r.list)
	return mux
}

// takeSigned takes CloudEvents that are signed as Standard Webhooks says.
func (r *receiver) takeSigned(w http.ResponseWriter, hr *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, hr.Body, maxBody))
	if err != nil {
		http.Error(w, "the body could not be read", http.StatusBadRequest)
		return
	}
	var event struct{ ID, Type string }
	// A body that is no CloudEvent has neither; the signature is verified all the same.
	_ = json.Unmarshal(body, &event)

	seen := request{
		Path: hr.URL.Path, WebhookID: hr.Header.Get(standardwebhooks.HeaderWebhookID),
		EventID: event.ID, EventType: event.Type, Status: http.StatusOK,
	}
	if err := r.verify(body, hr.Header); err != nil {
		seen.Problem, seen.Status = err.Error(), http.StatusUnauthorized
	} else {
		seen.Verified = true
	}
	r.answer(w, seen)
}

// verify holds the body against the signature, with the independent library. The file has a secret of each endpoint
// in a line of its own; one of them must have signed.
func (r *receiver) verify(body []byte, header http.Header) error {
	secrets, err := os.ReadFile(r.secretFile)
	if err != nil {
		return fmt.Errorf("read signing secrets: %w", err)
	}
	err = errors.New("there is no signing secret")
	for secret := range strings.FieldsSeq(string(secrets)) {
		var webhook *standardwebhooks.Webhook
		if webhook, err = standardwebhooks.NewWebhook(secret); err != nil {
			return err
		}
		if err = webhook.Verify(body, header); err == nil {
			return nil
		}
	}
	return err
}

// takeText takes what Slack's incoming webhooks take: an object with a text, unsigned.
func (r *receiver) takeText(w http.ResponseWriter, hr *http.Request) {
	seen := request{Path: hr.URL.Path, Status: http.StatusOK}
	var message struct{ Text string }
	if err := json.NewDecoder(http.MaxBytesReader(w, hr.Body, maxBody)).Decode(&message); err != nil || message.Text == "" {
		seen.Problem, seen.Status = "the body has no text", http.StatusBadRequest
	}
	seen.Text = message.Text
	r.answer(w, seen)
}

// answer remembers a webhook, prints a line about it, and answers it.
func (r *receiver) answer(w http.ResponseWriter, seen request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing {
		seen.Status = http.StatusInternalServerError
	}
	seen.Time = time.Now().UTC()
	r.requests = append(r.requests, seen)
	r.requests = r.requests[max(0, len(r.requests)-keptRequests):]
	_, _ = fmt.Fprintln(r.out, seen)
	w.WriteHeader(seen.Status)
	// A sender that is gone needs no answer.
	_, _ = fmt.Fprintln(w, http.StatusText(seen.Status))
}

// String tells of one webhook in a line.
func (q request) String() string {
	line := "POST " + q.Path
	if q.EventID != "" {
		line += fmt.Sprintf(": event %s, %s", q.EventID, q.WebhookID)
	}
	if q.EventType != "" {
		line += ": " + q.EventType
	}
	if q.Text != "" {
		line += fmt.Sprintf(": text %q", q.Text)
	}
	switch {
	case q.Verified:
		line += ": signature verified"
	case q.Problem != "":
		line += ": " + q.Problem
	}
	return fmt.Sprintf("%s: answered %d", line, q.Status)
}

// control lets a client switch failing on and off.
func (r *receiver) control(failing bool, what string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.failing = failing
		_, _ = fmt.Fprintln(w, "The receiver", what)
	}
}

// list tells of all webhooks, oldest first.
func (r *receiver) list(w http.ResponseWriter, _ *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(r.requests)
}
