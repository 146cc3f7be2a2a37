// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// postTimeout bounds one post; Posthorn answers within a second or says that it cannot.
const postTimeout = 10 * time.Second

// answer is what came of one post.
type answer struct {
	accepted bool
	code     string // of the answer, or "none"
	problem  string
}

// poster posts events over HTTPS. The kubelet replaces the token and the certificate authority while it runs.
// Its methods are safe for concurrent use.
type poster struct {
	url, tokenFile, caFile string

	mu     sync.Mutex
	client *http.Client
	pem    string // what client trusts
}

// post posts one CloudEvent.
func (p *poster) post(ctx context.Context, _ string, body []byte) answer {
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	client, err := p.trusting()
	if err != nil {
		return answer{code: "none", problem: err.Error()}
	}
	token, err := os.ReadFile(p.tokenFile)
	if err != nil {
		return answer{code: "none", problem: fmt.Sprintf("read token: %v", err)}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return answer{code: "none", problem: err.Error()}
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	request.Header.Set("Content-Type", "application/cloudevents+json")
	response, err := client.Do(request)
	if err != nil {
		return answer{code: "none", problem: err.Error()}
	}
	defer response.Body.Close()
	told, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	if err != nil {
		return answer{code: "none", problem: fmt.Sprintf("read answer: %v", err)}
	}
	got := answer{code: strconv.Itoa(response.StatusCode), accepted: response.StatusCode == http.StatusAccepted}
	if !got.accepted {
		got.problem = fmt.Sprintf("%s: %s", response.Status, told)
	}
	return got
}

// trusting returns a client that trusts what is in the file now.
func (p *poster) trusting() (*http.Client, error) {
	pem, err := os.ReadFile(p.caFile)
	if err != nil {
		return nil, fmt.Errorf("read certificate authority: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client != nil && p.pem == string(pem) {
		return p.client, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", p.caFile)
	}
	p.client = &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
		IdleConnTimeout:   10 * time.Second,
	}}
	p.pem = string(pem)
	return p.client, nil
}
