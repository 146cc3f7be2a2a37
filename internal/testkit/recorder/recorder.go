// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package recorder is an HTTP receiver for tests that has many endpoints, each with its own way to answer. It
// keeps what it was sent, when each request began and when its answer was written, and verifies signatures by
// an implementation that is not Posthorn's.
package recorder

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Request is one request that an endpoint got.
type Request struct {
	// Endpoint is the endpoint's name, which is the path of its URL.
	Endpoint string
	// ID is the request's webhook-id, and Event the id of the CloudEvent in its body.
	ID, Event string
	// DataSum is the SHA-256 of the event's data, as it stands in the body.
	DataSum [sha256.Size]byte
	// Began is when the request had been read, and Ended when its answer was written; zero until then.
	Began, Ended time.Time
	// Status is the status of the answer; 0 until it is decided.
	Status int
	// Verified says why the signature is not right; nil where it is, and where no key is known.
	Verified error
}

// Answer writes the answer to a request. The status that it returns is what it wrote; n counts the
// requests of the endpoint, from 1.
type Answer func(w http.ResponseWriter, r *http.Request, got Request, n int) (status int)

// Status answers with a status after a wait.
func Status(status int, wait func() time.Duration) Answer {
	return func(w http.ResponseWriter, r *http.Request, _ Request, _ int) int {
		if wait != nil {
			select {
			case <-time.After(wait()):
			case <-r.Context().Done(): // whoever asked is gone
			}
		}
		w.WriteHeader(status)
		return status
	}
}

// Recorder is a receiver. Its methods are safe for concurrent use.
type Recorder struct {
	server   *http.Server
	listener net.Listener

	mu       sync.Mutex
	requests []*Request
	counts   map[string]int
	answers  map[string]Answer
	keys     map[string]*standardwebhooks.Webhook
	watch    func(Request)
}

// New starts a receiver on a free port of 127.0.0.1. All its endpoints answer 200 until told otherwise.
func New() (*Recorder, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	r := &Recorder{
		listener: listener, counts: map[string]int{}, answers: map[string]Answer{},
		keys: map[string]*standardwebhooks.Webhook{},
	}
	r.server = &http.Server{Handler: http.HandlerFunc(r.serve), ReadHeaderTimeout: time.Minute}
	go func() {
		_ = r.server.Serve(listener) // it ends when the server is closed
	}()
	return r, nil
}

// Close ends the receiver, and breaks the connections that are open.
func (r *Recorder) Close() { _ = r.server.Close() }

// URL is where an endpoint is.
func (r *Recorder) URL(endpoint string) string {
	return "http://" + r.listener.Addr().String() + "/" + endpoint
}

// Expect has the signatures of an endpoint's requests verified with a key of Standard Webhooks.
func (r *Recorder) Expect(endpoint, key string) error {
	w, err := standardwebhooks.NewWebhook(key)
	if err != nil {
		return fmt.Errorf("read key of %s: %w", endpoint, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys[endpoint] = w
	return nil
}

// Answer has an endpoint answer so from now on; nil is 200.
func (r *Recorder) Answer(endpoint string, a Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[endpoint] = a
}

// Watch calls a function after each answer.
func (r *Recorder) Watch(f func(Request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watch = f
}

// Requests are copies of all requests so far, in the order in which they began.
func (r *Recorder) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Request, len(r.requests))
	for i, q := range r.requests {
		all[i] = *q
	}
	slices.SortStableFunc(all, func(a, b Request) int { return a.Began.Compare(b.Began) })
	return all
}

// Len is how many requests there were.
func (r *Recorder) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.requests)
}

// serve takes one request.
func (r *Recorder) serve(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return // broken off while it was sent
	}
	got := &Request{Endpoint: strings.Trim(q.URL.Path, "/"), ID: q.Header.Get("Webhook-Id"), Began: time.Now()}
	var parsed struct {
		ID   string
		Data json.RawMessage
	}
	if err := json.Unmarshal(body, &parsed); err != nil {
		got.Verified = fmt.Errorf("parse body: %w", err)
	}
	got.Event, got.DataSum = parsed.ID, sha256.Sum256(parsed.Data)
	answer, n := r.begin(got)
	if key := r.key(got.Endpoint); key != nil {
		if err := key.Verify(body, q.Header); err != nil {
			got.Verified = errors.Join(got.Verified, err)
		}
	}
	status := http.StatusOK
	if answer != nil {
		status = answer(w, q, *got, n)
	}
	_ = http.NewResponseController(w).Flush() // fails when the caller is gone, which changes nothing
	r.end(got, status)
}

// begin notes a request, and says how to answer it.
func (r *Recorder) begin(got *Request) (Answer, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, got)
	r.counts[got.Endpoint]++
	return r.answers[got.Endpoint], r.counts[got.Endpoint]
}

func (r *Recorder) key(endpoint string) *standardwebhooks.Webhook {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys[endpoint]
}

// end notes that a request was answered.
func (r *Recorder) end(got *Request, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	got.Status, got.Ended = status, time.Now()
	if r.watch != nil {
		r.watch(*got)
	}
}
