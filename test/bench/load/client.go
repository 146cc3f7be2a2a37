// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// client posts one signed body, and returns nil at an answer of 200. It is for one goroutine.
type client func(n int, body []byte) error

// RunClient posts signed events as fast as one kind of client can: the bare loop.
func RunClient(args []string) error {
	fs := flag.NewFlagSet("client", flag.ContinueOnError)
	kind := fs.String("kind", "net/http", "net/http or sockets")
	address := fs.String("address", "", "of the receiver")
	events := fs.Int("events", 0, "how many to post")
	workers := fs.Int("workers", 16, "requests at the same time")
	if err := fs.Parse(args); err != nil {
		return err
	}
	makers := map[string]func(address string) (client, error){"net/http": newBareClient(*workers), "sockets": newSocketClient}
	maker := makers[*kind]
	if maker == nil {
		return fmt.Errorf("there is no client %q", *kind)
	}
	template, err := NewTemplate("com.example.bench")
	if err != nil {
		return err
	}
	if err := awaitGo(); err != nil {
		return err
	}
	var next atomic.Int64
	var group sync.WaitGroup
	failures := make(chan error, *workers)
	for range *workers {
		group.Go(func() {
			failures <- loop(maker, *address, template, &next, *events)
		})
	}
	group.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

// loop is one worker.
func loop(maker func(string) (client, error), address string, t *Template, next *atomic.Int64, events int) error {
	post, err := maker(address)
	if err != nil {
		return err
	}
	body := t.Copy()
	for n := int(next.Add(1)) - 1; n < events; n = int(next.Add(1)) - 1 {
		t.Number(body, n)
		if err := post(n, body); err != nil {
			return err
		}
	}
	return nil
}

// newBareClient is what most programs do: http.Client with a transport that keeps its connections.
func newBareClient(workers int) func(string) (client, error) {
	shared := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers}}
	return func(address string) (client, error) {
		s, url := newSigner(), "http://"+address+"/r/0"
		return func(n int, body []byte) error {
			request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
			if err != nil {
				return fmt.Errorf("make request: %w", err)
			}
			id, timestamp, signature := s.sign(n, body)
			request.Header.Set("Content-Type", "application/cloudevents+json")
			request.Header.Set("User-Agent", "bench")
			request.Header.Set("Webhook-Id", id)
			request.Header.Set("Webhook-Timestamp", timestamp)
			request.Header.Set("Webhook-Signature", signature)
			answer, err := shared.Do(request)
			if err != nil {
				return fmt.Errorf("post: %w", err)
			}
			defer answer.Body.Close()
			if _, err := io.Copy(io.Discard, answer.Body); err != nil {
				return fmt.Errorf("read answer: %w", err)
			}
			if answer.StatusCode != http.StatusOK {
				return fmt.Errorf("post: %s", answer.Status)
			}
			return nil
		}, nil
	}
}

// newSocketClient writes each request with one call and reads the answer with one call: the least that HTTP
// over a socket can cost in Go.
func newSocketClient(address string) (client, error) {
	conn, err := dial(address)
	if err != nil {
		return nil, err
	}
	s := newSigner()
	return func(n int, body []byte) error {
		id, timestamp, signature := s.sign(n, body)
		conn.begin("/r/0", address)
		conn.header("Content-Type", "application/cloudevents+json")
		conn.header("User-Agent", "bench")
		conn.header("Webhook-Id", id)
		conn.header("Webhook-Timestamp", timestamp)
		conn.header("Webhook-Signature", signature)
		status, err := conn.send(body)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("post: status %d", status)
		}
		return err
	}, nil
}

// socket is a connection that knows as much of HTTP/1.1 as it takes to talk to a receiver of these benchmarks,
// or to ingest: every answer has a Content-Length.
type socket struct {
	conn    net.Conn
	request []byte
	reader  *bufio.Reader
}

func dial(address string) (*socket, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	return &socket{conn: conn, reader: bufio.NewReader(conn)}, nil
}

// begin starts a request.
func (c *socket) begin(path, host string) {
	c.request = append(append(append(c.request[:0], "POST "...), path...), " HTTP/1.1\r\n"...)
	c.header("Host", host)
}

// header adds a header.
func (c *socket) header(name, value string) {
	c.request = append(append(append(append(c.request, name...), ": "...), value...), "\r\n"...)
}

// send ends the request with its body, and returns the status of the answer.
func (c *socket) send(body []byte) (status int, err error) {
	c.request = append(c.request, "Content-Length: "...)
	c.request = strconv.AppendInt(c.request, int64(len(body)), 10)
	c.request = append(append(c.request, "\r\n\r\n"...), body...)
	if _, err := c.conn.Write(c.request); err != nil {
		return 0, fmt.Errorf("write request: %w", err)
	}
	return c.answer()
}

// answer reads one answer.
func (c *socket) answer() (status int, err error) {
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return 0, fmt.Errorf("read answer: %w", err)
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, errors.New("read answer: it is no HTTP")
	}
	status, err = strconv.Atoi(string(line[9:12]))
	if err != nil {
		return 0, fmt.Errorf("read answer: %w", err)
	}
	length := 0
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return 0, fmt.Errorf("read answer: %w", err)
		}
		if len(line) <= 2 {
			break
		}
		if value, ok := strings.CutPrefix(string(line), "Content-Length: "); ok {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return 0, fmt.Errorf("read answer: %w", err)
			}
		}
	}
	_, err = c.reader.Discard(length)
	return status, err
}
