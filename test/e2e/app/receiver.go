// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// maxBody is more than Posthorn takes as an event.
const maxBody = 2 << 20

// received is what GET /received tells.
type received struct {
	// Verified and Refused count requests by whether the signature was that of the body.
	Verified int `json:"verified"`
	Refused  int `json:"refused"`
	// Problems are the last reasons of refusals, ten at most.
	Problems []string `json:"problems"`
	// Events are the verified ones by the id of the event.
	Events map[string]*arrivals `json:"events"`
	// Key tells signing keys apart without showing them: a digest of the one that the last request was held against.
	Key string `json:"key"`
	// Signatures is how many signatures the last verified request carried: two while keys overlap.
	Signatures int `json:"signatures"`
}

// arrivals are the verified requests with one event.
type arrivals struct {
	Requests int `json:"requests"`
	// Type is the type of the event.
	Type string `json:"type"`
	// WebhookIDs are the different webhook-id headers: one, however many requests there were.
	WebhookIDs []string `json:"webhookIDs"`
}

// receiver takes webhooks. Its methods are safe for concurrent use.
type receiver struct {
	secretFile string

	mu       sync.Mutex
	out      io.Writer
	secret   string // what it was told, for a receiver without a file
	failing  bool
	received received
}

func runReceiver(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("receiver", flag.ContinueOnError)
	address := flags.String("address", ":8080", "address to listen on")
	secretFile := flags.String("secret-file", "", "file with the signing secret, read again for each request")
	if err := flags.Parse(arguments); err != nil {
		return fmt.Errorf("parse flags: %w", err)
	}
	return serve(ctx, *address, newReceiver(*secretFile, os.Stdout).handler())
}

func newReceiver(secretFile string, out io.Writer) *receiver {
	return &receiver{secretFile: secretFile, out: out, received: received{Problems: []string{}, Events: map[string]*arrivals{}}}
}

func (r *receiver) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hooks", r.take)
	mux.HandleFunc("GET /received", r.tell)
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /control/secret", r.learn)
	mux.HandleFunc("POST /control/fail", r.fail(true))
	mux.HandleFunc("POST /control/recover", r.fail(false))
	return mux
}

// take takes a CloudEvent that is signed as Standard Webhooks says.
func (r *receiver) take(w http.ResponseWriter, hr *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, hr.Body, maxBody))
	if err != nil {
		http.Error(w, "the body could not be read", http.StatusBadRequest)
		return
	}
	var event struct{ ID, Type string }
	// A body that is no CloudEvent has neither; the signature is verified all the same.
	_ = json.Unmarshal(body, &event)
	id := hr.Header.Get(standardwebhooks.HeaderWebhookID)

	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing {
		http.Error(w, "told to fail", http.StatusInternalServerError)
		return
	}
	if err := r.verify(body, hr.Header); err != nil {
		r.received.Refused++
		r.received.Problems = append(r.received.Problems, fmt.Sprintf("event %s, %s: %v", event.ID, id, err))
		r.received.Problems = r.received.Problems[max(0, len(r.received.Problems)-10):]
		_, _ = fmt.Fprintf(r.out, "REFUSED event %s, %s: %v\n", event.ID, id, err)
		http.Error(w, "the signature does not match", http.StatusUnauthorized)
		return
	}
	r.remember(event.ID, event.Type, id)
	r.received.Signatures = len(strings.Fields(hr.Header.Get(standardwebhooks.HeaderWebhookSignature)))
	_, _ = fmt.Fprintf(r.out, "VERIFIED %s %s, %s\n", event.Type, event.ID, id)
}

// verify holds the body against the signature, with the independent library.
func (r *receiver) verify(body []byte, header http.Header) error {
	secret, err := r.key()
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(secret))
	r.received.Key = hex.EncodeToString(digest[:6])
	webhook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return fmt.Errorf("read secret: %w", err)
	}
	return webhook.Verify(body, header)
}

// key returns the signing secret of this moment.
func (r *receiver) key() (string, error) {
	if r.secretFile == "" {
		if r.secret == "" {
			return "", errors.New("nobody has told the signing secret yet")
		}
		return r.secret, nil
	}
	content, err := os.ReadFile(r.secretFile)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	return strings.TrimSpace(string(content)), nil
}

// remember counts a verified request.
func (r *receiver) remember(event, kind, webhookID string) {
	r.received.Verified++
	seen := r.received.Events[event]
	if seen == nil {
		seen = &arrivals{Type: kind}
		r.received.Events[event] = seen
	}
	seen.Requests++
	if !slices.Contains(seen.WebhookIDs, webhookID) {
		seen.WebhookIDs = append(seen.WebhookIDs, webhookID)
	}
}

func (r *receiver) tell(w http.ResponseWriter, _ *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(r.received)
}

// learn takes the signing secret from the body, as somebody would paste it into a form.
func (r *receiver) learn(w http.ResponseWriter, hr *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, hr.Body, maxBody))
	if err != nil {
		http.Error(w, "the body could not be read", http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secret = strings.TrimSpace(string(body))
}

func (r *receiver) fail(failing bool) http.HandlerFunc {
	return func(http.ResponseWriter, *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.failing = failing
	}
}
