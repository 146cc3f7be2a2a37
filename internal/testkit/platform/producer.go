// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Event is an event of a test. Its source is always the same.
type Event struct {
	ID, Type string
	// Data is any JSON value.
	Data json.RawMessage
}

// Producer posts events as a program of a tenant does: it repeats a request that got no answer, or one that
// says to try again later, with the same ids.
type Producer struct {
	// Address is where the dispatcher takes events.
	Address string
	// Namespace is the tenant, and Token says who posts.
	Namespace, Token string
	// Client makes the requests; http.DefaultClient when nil.
	Client *http.Client
}

// retryPause is how long the producer waits before it repeats a request.
const retryPause = 50 * time.Millisecond

// Post posts events in one request until they are accepted. It returns how many requests that took.
func (p *Producer) Post(ctx context.Context, events ...Event) (requests int, err error) {
	body, kind := encode(events)
	for {
		requests++
		answer, err := p.once(ctx, body, kind)
		switch {
		case err == nil && answer.Status == http.StatusAccepted:
			return requests, nil
		case err == nil && answer.Status != http.StatusServiceUnavailable && answer.Status != http.StatusTooManyRequests:
			return requests, fmt.Errorf("post events: status %d: %s", answer.Status, answer.Body)
		}
		select {
		case <-time.After(retryPause):
		case <-ctx.Done():
			return requests, fmt.Errorf("post events: %w, last: status %d, error %w", ctx.Err(), answer.Status, err)
		}
	}
}

// Answer is what a producer is told.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Try posts events in one request, whatever the answer.
func (p *Producer) Try(ctx context.Context, events ...Event) (Answer, error) {
	body, kind := encode(events)
	return p.once(ctx, body, kind)
}

func (p *Producer) once(ctx context.Context, body []byte, kind string) (Answer, error) {
	url := "http://" + p.Address + "/v1/namespaces/" + p.Namespace + "/events"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return Answer{}, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Content-Type", kind)
	request.Header.Set("Authorization", "Bearer "+p.Token)
	c := p.Client
	if c == nil {
		c = http.DefaultClient
	}
	response, err := c.Do(request)
	if err != nil {
		return Answer{}, fmt.Errorf("post: %w", err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err != nil {
		return Answer{}, fmt.Errorf("read answer: %w", err)
	}
	return Answer{response.StatusCode, response.Header, said}, nil
}

// encode writes one event as a structured CloudEvent, and several as a batch.
func encode(events []Event) (body []byte, kind string) {
	var all []string
	for _, e := range events {
		data := e.Data
		if data == nil {
			data = json.RawMessage(`{}`)
		}
		all = append(all, fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/shop","type":%q,"data":%s}`, e.ID, e.Type, data))
	}
	if len(all) == 1 {
		return []byte(all[0]), "application/cloudevents+json"
	}
	return []byte("[" + strings.Join(all, ",") + "]"), "application/cloudevents-batch+json"
}
