// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/egress"
)

// tokenTimeout bounds a request for a token where the endpoint has no timeout.
const tokenTimeout = 15 * time.Second

// tokenSource keeps the OAuth2 token of one endpoint until it expires, or the receiver does not take it.
type tokenSource struct {
	client      *Client
	credentials *delivery.OAuth2ClientCredentials
	config      *clientcredentials.Config
	http        *http.Client
	pool        *pool
	timeout     time.Duration

	mu    sync.Mutex
	token *oauth2.Token
	// fetching is the request under way; nil when there is none.
	fetching *fetch
}

// fetch is one request for a token, which all attempts that need one wait for.
type fetch struct {
	done  chan struct{}
	token *oauth2.Token
	err   error
}

// tokenSource returns the endpoint's source of tokens: the one that it had, when its credentials and
// connections are the same; c.mu is held.
func (c *Client) tokenSource(e *delivery.Endpoint) (*tokenSource, error) {
	credentials := e.Auth.OAuth2
	p, err := c.join(tokenPool(e), e.Name)
	if err != nil {
		return nil, err
	}
	s := c.tokens[e.Name]
	if s != nil && s.pool == p && reflect.DeepEqual(s.credentials, credentials) {
		return s, nil
	}
	s = &tokenSource{
		client:      c,
		credentials: credentials,
		pool:        p,
		timeout:     e.Timeout,
		http: &http.Client{
			Transport:     p.transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		config: &clientcredentials.Config{
			ClientID:     credentials.ClientID,
			ClientSecret: credentials.ClientSecret,
			TokenURL:     credentials.TokenURL,
			Scopes:       credentials.Scopes,
		},
	}
	if credentials.Audience != "" {
		s.config.EndpointParams = url.Values{"audience": {credentials.Audience}}
	}
	if s.timeout <= 0 {
		s.timeout = tokenTimeout
	}
	c.tokens[e.Name] = s
	return s, nil
}

// authorization returns the header's value for a token that is valid, and waits for one where needed.
func (s *tokenSource) authorization(ctx context.Context) (string, error) {
	s.mu.Lock()
	if s.token.Valid() {
		defer s.mu.Unlock()
		return header(s.token), nil
	}
	f := s.fetching
	if f == nil {
		f = &fetch{done: make(chan struct{})}
		s.fetching = f
		s.client.background.Go(func() { s.run(f) })
	}
	s.mu.Unlock()
	select {
	case <-f.done:
	case <-ctx.Done():
		return "", &tokenError{ctx.Err()}
	}
	if f.err != nil {
		return "", f.err
	}
	return header(f.token), nil
}

// run makes one request for a token. It does not end with the attempt that began it, since others wait
// for it too.
func (s *tokenSource) run(f *fetch) {
	ctx, cancel := context.WithTimeout(s.client.base, s.timeout)
	defer cancel()
	f.token, f.err = s.config.Token(context.WithValue(ctx, oauth2.HTTPClient, s.http))
	if f.err == nil && !sendable(header(f.token)) {
		f.token, f.err = nil, errTokenValue
	}
	if f.err != nil {
		f.err = wrapTokenError(f.err)
	}
	s.mu.Lock()
	s.token, s.fetching = f.token, nil
	s.mu.Unlock()
	close(f.done)
}

// drop forgets the token of the header's value, unless it was replaced meanwhile.
func (s *tokenSource) drop(authorization string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token != nil && header(s.token) == authorization {
		s.token = nil
	}
}

// header returns the Authorization header's value for a token.
func header(t *oauth2.Token) string { return t.Type() + " " + t.AccessToken }

// sendable reports whether a header can have the value.
func sendable(value string) bool {
	return !strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == 0x7f })
}

// tokenError is the error of a token that could not be had.
type tokenError struct{ err error }

// wrapTokenError keeps the egress guard's refusal what it is, and makes a tokenError of the rest.
func wrapTokenError(err error) error {
	if refusal, ok := errors.AsType[*egress.Refusal](err); ok {
		return refusal
	}
	return &tokenError{err}
}

// Error implements error; the cause may quote the URL.
func (e *tokenError) Error() string { return "get OAuth2 token: " + e.err.Error() }

// Unwrap returns the cause.
func (e *tokenError) Unwrap() error { return e.err }

// message says what is wrong, for a user. What the token endpoint wrote is left out.
func (e *tokenError) message() string {
	if refused, ok := errors.AsType[*oauth2.RetrieveError](e.err); ok && refused.Response != nil {
		status := refused.Response.StatusCode
		if statusReason(status) == delivery.ReasonNone {
			return "The OAuth2 token endpoint refused the client credentials."
		}
		return answered("The OAuth2 token endpoint", status)
	}
	if errors.Is(e.err, context.DeadlineExceeded) {
		return "The OAuth2 token endpoint did not answer in time."
	}
	return "No OAuth2 token could be had from the token endpoint."
}
