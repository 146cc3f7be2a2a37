// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Production is what a producer tells when it has ended.
type Production struct {
	// Accepted counts the events that were answered with 202, and Refused the requests with another answer.
	Accepted int `json:"accepted"`
	Refused  int `json:"refused"`
	// Began and Ended are when the first request was begun and the last one answered, in nanoseconds since
	// 1970.
	Began int64 `json:"began"`
	Ended int64 `json:"ended"`
	// Sent is, by event, when its request was begun, in nanoseconds since 1970.
	Sent []int64 `json:"sent,omitempty"`
}

// producer posts events over raw sockets, so that what it costs takes as little as can be from Posthorn.
type producer struct {
	address, path, token string
	from, events, batch  int
	refusable            bool
	template             *Template
	next                 atomic.Int64
	refused              atomic.Int64
	accepted             atomic.Int64
	sent                 []int64
}

// RunProducer posts numbered events of a type, and prints a Production.
func RunProducer(args []string) error {
	fs := flag.NewFlagSet("producer", flag.ContinueOnError)
	p := &producer{}
	fs.StringVar(&p.address, "address", "", "of ingest")
	fs.StringVar(&p.token, "token", "", "of the tenant")
	fs.IntVar(&p.from, "from", 0, "number of the first event")
	fs.IntVar(&p.events, "events", 0, "how many to post")
	fs.IntVar(&p.batch, "batch", 1, "events in a request")
	fs.BoolVar(&p.refusable, "refusable", false, "go on after events that are refused for the share of the namespace")
	namespace := fs.String("namespace", "", "of the tenant")
	eventType := fs.String("type", "com.example.bench", "of the events")
	workers := fs.Int("clients", 32, "requests at the same time")
	rate := fs.Float64("rate", 0, "events per second; 0 for as many as possible")
	latencies := fs.Bool("times", false, "tell when each event was posted")
	if err := fs.Parse(args); err != nil {
		return err
	}
	p.path = "/v1/namespaces/" + *namespace + "/events"
	var err error
	if p.template, err = NewTemplate(*eventType); err != nil {
		return err
	}
	p.sent = make([]int64, p.events)
	if err := awaitGo(); err != nil {
		return err
	}
	if err := p.run(*workers, *rate, *latencies); err != nil {
		return err
	}
	return nil
}

// run posts everything and prints what came of it.
func (p *producer) run(workers int, rate float64, times bool) error {
	began := time.Now()
	failures := make(chan error, workers)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() { failures <- p.work(began, rate) })
	}
	group.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			return err
		}
	}
	result := Production{
		Accepted: int(p.accepted.Load()), Refused: int(p.refused.Load()),
		Began: began.UnixNano(), Ended: time.Now().UnixNano(),
	}
	if times {
		result.Sent = p.sent
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

// work is one client. With a rate it begins each request when that is due, whatever became of the others.
func (p *producer) work(began time.Time, rate float64) error {
	conn, err := dial(p.address)
	if err != nil {
		return err
	}
	bodies := make([][]byte, p.batch)
	for i := range bodies {
		bodies[i] = p.template.Copy()
	}
	for first := int(p.next.Add(int64(p.batch))) - p.batch; first < p.events; first = int(p.next.Add(int64(p.batch))) - p.batch {
		if rate > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(float64(first) / rate * float64(time.Second)))))
		}
		if err := p.post(conn, bodies, first); err != nil {
			return err
		}
	}
	return nil
}

// post posts one request.
func (p *producer) post(conn *socket, bodies [][]byte, first int) error {
	n := min(p.batch, p.events-first)
	for i := range n {
		p.template.Number(bodies[i], p.from+first+i)
	}
	body, kind := bodies[0], "application/cloudevents+json"
	if p.batch > 1 {
		kind = "application/cloudevents-batch+json"
		var all strings.Builder
		all.WriteByte('[')
		for i := range n {
			if i > 0 {
				all.WriteByte(',')
			}
			all.Write(bodies[i])
		}
		all.WriteByte(']')
		body = []byte(all.String())
	}
	conn.begin(p.path, p.address)
	conn.header("Content-Type", kind)
	conn.header("Authorization", "Bearer "+p.token)
	now := time.Now().UnixNano()
	for i := range n {
		p.sent[first+i] = now
	}
	status, err := conn.send(body)
	if err != nil {
		return err
	}
	if status != http.StatusAccepted {
		p.refused.Add(1)
		if p.refusable && status == http.StatusTooManyRequests {
			return nil
		}
		return fmt.Errorf("post: ingest answered %d", status)
	}
	p.accepted.Add(int64(n))
	return nil
}
