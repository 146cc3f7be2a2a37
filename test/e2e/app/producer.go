// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	// posters is how many events are posted at a time.
	posters = 8
	// resendAfter is how long an event that was not accepted waits before it is posted again.
	resendAfter = 200 * time.Millisecond
)

// produced is what GET /produced tells.
type produced struct {
	// Accepted are the ids of the events that were answered 202.
	Accepted []string `json:"accepted"`
	// Pending are events that were posted and are posted again until they are accepted.
	Pending int `json:"pending"`
	// Resent counts posts that were not the first of their event.
	Resent int `json:"resent"`
	// Answers counts posts by status code; "none" stands for those without an answer.
	Answers map[string]int `json:"answers"`
	// Problem is why the last post that failed did so.
	Problem string `json:"problem"`
}

// producer posts one order after the other. Its methods are safe for concurrent use.
type producer struct {
	post func(ctx context.Context, id string, body []byte) answer
	name string // the start of all ids, different for each run
	kind string
	out  io.Writer

	mu       sync.Mutex
	interval time.Duration
	changed  chan struct{} // closed when interval changes
	produced produced
}

func runProducer(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("producer", flag.ContinueOnError)
	client := poster{}
	address := flags.String("address", ":8080", "address where it tells and is told")
	interval := flags.Duration("interval", time.Second, "time between two events; 0 waits to be told")
	kind := flags.String("type", "com.example.order.created", "type of the events")
	flags.StringVar(&client.url, "url", "", "where to post, such as https://posthorn.posthorn-system.svc/v1/namespaces/shop/events")
	flags.StringVar(&client.tokenFile, "token-file", "/var/run/posthorn/token", "file with the token, read again for each event")
	flags.StringVar(&client.caFile, "ca-file", "/var/run/posthorn/ca.crt", "certificate authority of the URL, read again when it changes")
	if err := flags.Parse(arguments); err != nil {
		return fmt.Errorf("parse flags: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("name events: %w", err)
	}
	p := newProducer(client.post, fmt.Sprintf("%s-%d", host, time.Now().Unix()), *kind, os.Stdout)
	p.setInterval(*interval)
	go p.run(ctx)
	return serve(ctx, *address, p.handler())
}

func newProducer(post func(context.Context, string, []byte) answer, name, kind string, out io.Writer) *producer {
	return &producer{
		post: post, name: name, kind: kind, out: out,
		changed:  make(chan struct{}),
		produced: produced{Accepted: []string{}, Answers: map[string]int{}},
	}
}

func (p *producer) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /produced", p.tell)
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /control/interval", p.control)
	return mux
}

// run produces events until ctx ends.
func (p *producer) run(ctx context.Context) {
	numbers := make(chan int)
	for range posters {
		go func() {
			for number := range numbers {
				p.produce(ctx, number)
			}
		}()
	}
	defer close(numbers)
	for number := 1; p.wait(ctx); number++ {
		p.count(func(now *produced) { now.Pending++ })
		select {
		case numbers <- number:
		case <-ctx.Done():
			return
		}
	}
}

// wait returns true when the next event is due, and false when ctx has ended.
func (p *producer) wait(ctx context.Context) bool {
	for {
		p.mu.Lock()
		interval, changed := p.interval, p.changed
		p.mu.Unlock()
		var due <-chan time.Time // never, while paused
		if interval > 0 {
			due = time.After(interval)
		}
		select {
		case <-due:
			return true
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// produce posts one event until it is accepted, always with the same id.
func (p *producer) produce(ctx context.Context, number int) {
	id := fmt.Sprintf("%s-%d", p.name, number)
	body, err := json.Marshal(map[string]any{
		"specversion": "1.0", "id": id, "source": "/shop", "type": p.kind,
		"datacontenttype": "application/json", "data": map[string]any{"order": number, "total": 120},
	})
	if err != nil {
		panic(err) // a map of strings and numbers
	}
	for {
		got := p.post(ctx, id, body)
		p.count(func(now *produced) {
			now.Answers[got.code]++
			if got.accepted {
				now.Pending--
				now.Accepted = append(now.Accepted, id)
				return
			}
			now.Problem = got.problem
			now.Resent++
		})
		if got.accepted {
			_, _ = fmt.Fprintf(p.out, "ACCEPTED %s %s\n", p.kind, id)
			return
		}
		_, _ = fmt.Fprintf(p.out, "NOT YET %s: %s\n", id, got.problem)
		select {
		case <-time.After(resendAfter):
		case <-ctx.Done():
			return
		}
	}
}

func (p *producer) count(change func(*produced)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.produced)
}

func (p *producer) setInterval(interval time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.interval = interval
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *producer) tell(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	now := p.produced
	now.Answers = maps.Clone(now.Answers)
	p.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(now)
}

// control sets the time between two events: POST /control/interval?every=20ms; 0s pauses.
func (p *producer) control(w http.ResponseWriter, r *http.Request) {
	interval, err := time.ParseDuration(r.URL.Query().Get("every"))
	if err != nil || interval < 0 {
		http.Error(w, "every must be a duration, such as 20ms", http.StatusBadRequest)
		return
	}
	p.setInterval(interval)
}
