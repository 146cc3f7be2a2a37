// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Command fasthttp is the bare loop of the benchmarks with fasthttp's client. It is a module of its own, so that
// Posthorn does not depend on fasthttp; what it sends is what the other bare clients send.
package main

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	eventSize = 512
	form      = `{"specversion":"1.0","id":"e000000000","source":"/bench","type":"com.example.bench",` +
		`"time":"2026-01-02T03:04:05.678Z","datacontenttype":"application/json","data":{"total":120,"text":"%s"}}`
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench: fasthttp:", err)
		os.Exit(1)
	}
}

func run() error {
	address := flag.String("address", "", "of the receiver")
	events := flag.Int("events", 0, "how many to post")
	workers := flag.Int("workers", 16, "requests at the same time")
	flag.Parse()
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return fmt.Errorf("wait for the beginning: %w", err)
	}
	client := &fasthttp.HostClient{Addr: *address, MaxConns: *workers}
	var next atomic.Int64
	var group sync.WaitGroup
	failures := make(chan error, *workers)
	for range *workers {
		group.Go(func() {
			failures <- loop(client, "http://"+*address+"/r/0", &next, *events)
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
func loop(client *fasthttp.HostClient, url string, next *atomic.Int64, events int) error {
	body := fmt.Appendf(nil, form, strings.Repeat("x", eventSize-len(form)+len("%s")))
	at := bytes.Index(body, []byte("e000000000")) + 1
	mac := hmac.New(sha256.New, []byte("posthorn-benchmark-signing-key!!"))
	var head, sum []byte
	request, answer := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	for n := int(next.Add(1)) - 1; n < events; n = int(next.Add(1)) - 1 {
		copy(body[at:], fmt.Sprintf("%09d", n))
		id, timestamp := "msg_"+strconv.Itoa(n), strconv.FormatInt(time.Now().Unix(), 10)
		head = append(append(append(append(head[:0], id...), '.'), timestamp...), '.')
		mac.Reset()
		mac.Write(head)
		mac.Write(body)
		sum = mac.Sum(sum[:0])

		request.Reset()
		request.Header.SetMethod(fasthttp.MethodPost)
		request.SetRequestURI(url)
		request.Header.SetContentType("application/cloudevents+json")
		request.Header.SetUserAgent("bench")
		request.Header.Set("Webhook-Id", id)
		request.Header.Set("Webhook-Timestamp", timestamp)
		request.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(sum))
		request.SetBodyRaw(body)
		if err := client.Do(request, answer); err != nil {
			return fmt.Errorf("post: %w", err)
		}
		if answer.StatusCode() != fasthttp.StatusOK {
			return fmt.Errorf("post: status %d", answer.StatusCode())
		}
	}
	return nil
}
