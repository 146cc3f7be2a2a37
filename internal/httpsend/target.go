// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend

import (
	"context"
	"encoding/base64"
	"net/http"
	"sync/atomic"

	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// target is what sending to one endpoint needs, prepared once for as long as the endpoint stays the
// same.
type target struct {
	endpoint *delivery.Endpoint
	pool     *pool
	// address is the host and port that requests are posted to directly; empty when none are.
	address string
	// template is the request without header, body and context.
	template  *http.Request
	userAgent []string
	// static is the Authorization header of basic and bearer authentication; empty without.
	static string
	// tokens gets the tokens of OAuth2; nil without.
	tokens *tokenSource
	// shortest is the least length of an answer that may hold a secret; redactor finds them.
	shortest int
	redactor atomic.Pointer[redactor]
}

// target returns the prepared target of the endpoint. An Endpoint is immutable, so that another
// pointer means that something may have changed.
func (c *Client) target(e *delivery.Endpoint) (*target, error) {
	c.mu.RLock()
	t := c.targets[e.Name]
	c.mu.RUnlock()
	if t != nil && t.endpoint == e {
		return t, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errClosed
	}
	t, err := c.newTarget(e)
	if err != nil {
		return nil, err
	}
	if c.targets[e.Name] != nil {
		c.leaveOthers(t)
	}
	c.targets[e.Name] = t
	return t, nil
}

// newTarget prepares a target; c.mu is held.
func (c *Client) newTarget(e *delivery.Endpoint) (*target, error) {
	if e.ServiceIP.IsValid() {
		if err := c.guard.policy.Load().CheckService(e.Name.Namespace, e.ServiceIP); err != nil {
			return nil, err
		}
	}
	p, err := c.join(endpointPool(e), e.Name)
	if err != nil {
		return nil, err
	}
	t := &target{
		endpoint: e,
		pool:     p,
		template: &http.Request{
			Method:     http.MethodPost,
			URL:        e.URL,
			Host:       e.URL.Host,
			Proto:      "HTTP/1.1",
			ProtoMajor: 1,
			ProtoMinor: 1,
		},
		userAgent: []string{c.userAgent},
	}
	if err := c.prepareAuth(t); err != nil {
		return nil, err
	}
	t.address = directAddress(e.URL, p)
	t.shortest = shortestSecret(e.Redact, t.static)
	return t, nil
}

// leaveOthers gives up what the endpoint used before it changed; c.mu is held.
func (c *Client) leaveOthers(t *target) {
	name := t.endpoint.Name
	if t.tokens == nil {
		delete(c.tokens, name)
	}
	for _, p := range c.pools {
		if _, uses := p.users[name]; uses && p != t.pool && (t.tokens == nil || p != t.tokens.pool) {
			c.leave(p, name)
		}
	}
}

// prepareAuth sets how requests to the target authenticate; c.mu is held.
func (c *Client) prepareAuth(t *target) error {
	switch auth := t.endpoint.Auth; {
	case auth == nil:
	case auth.OAuth2 != nil:
		source, err := c.tokenSource(t.endpoint)
		t.tokens = source
		return err
	case auth.Basic != nil:
		pair := auth.Basic.Username + ":" + auth.Basic.Password
		t.static = "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
	case auth.Bearer != "":
		t.static = "Bearer " + auth.Bearer
	}
	return nil
}

// authorize returns the Authorization header's value; empty when the endpoint needs none.
func (t *target) authorize(ctx context.Context) (string, error) {
	if t.tokens == nil {
		return t.static, nil
	}
	return t.tokens.authorization(ctx)
}

// dropToken forgets the token that the receiver did not take, so that the next attempt gets a new one.
func (t *target) dropToken(authorization string) {
	if t.tokens != nil {
		t.tokens.drop(authorization)
	}
}
