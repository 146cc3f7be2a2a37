// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend_test

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/egress"
	"github.com/posthorn-dev/posthorn/internal/httpsend"
)

// authority is an OAuth2 token endpoint that refuses what it does not expect.
type authority struct {
	*receiver
	issued atomic.Int32
	// lifetime is how long tokens live.
	lifetime time.Duration
}

// newAuthority starts one.
func newAuthority(t *testing.T, lifetime time.Duration) *authority {
	t.Helper()
	a := &authority{lifetime: lifetime}
	a.receiver = newReceiver(t, func(w http.ResponseWriter, req *http.Request) {
		requests := a.seen()
		if why := unexpected(req, requests[len(requests)-1].body); why != "" {
			http.Error(w, `{"error":"invalid_request","error_description":"`+why+`"}`, http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		say(w, `{"access_token":"token-%d","token_type":"bearer","expires_in":%d}`, a.issued.Add(1), int(a.lifetime.Seconds()))
	})
	return a
}

// unexpected says what is wrong with a token request.
func unexpected(req *http.Request, body string) string {
	id, secret, ok := req.BasicAuth()
	switch {
	case req.Method != http.MethodPost || req.URL.Path != "/token":
		return "request line"
	case req.Header.Get("Content-Type") != "application/x-www-form-urlencoded":
		return "content type"
	case !ok || id != "client" || secret != "s3cr3t-of-client":
		return "credentials"
	case body != "audience=hooks&grant_type=client_credentials&scope=send+receive":
		return "body"
	}
	return ""
}

// oauth2Endpoint returns an endpoint that authenticates with tokens.
func oauth2Endpoint(t *testing.T, rawURL, tokenURL string) *delivery.Endpoint {
	t.Helper()
	e := endpoint(t, rawURL)
	e.Auth = &delivery.Auth{OAuth2: &delivery.OAuth2ClientCredentials{
		TokenURL:     tokenURL,
		ClientID:     "client",
		ClientSecret: "s3cr3t-of-client",
		Scopes:       []string{"send", "receive"},
		Audience:     "hooks",
	}}
	e.Redact = []string{"s3cr3t-of-client"}
	return e
}

func TestSend_OAuth2TokenIsCached(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, time.Hour)
	r := newReceiver(t, nil)
	c := newClient(t, httpsend.Options{})
	e := oauth2Endpoint(t, r.URL, a.URL+"/token")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got := c.Send(t.Context(), post(e)); got.Reason != delivery.ReasonNone {
				t.Errorf("response = %+v", got)
			}
		})
	}
	wg.Wait()
	// Another compiled endpoint with the same credentials keeps the token.
	wantDelivered(t, send(t, c, oauth2Endpoint(t, r.URL, a.URL+"/token")))
	if n := len(a.seen()); n != 1 {
		t.Errorf("%d token requests, want 1", n)
	}
	for _, seen := range r.seen() {
		if got := seen.Header.Get("Authorization"); got != "Bearer token-1" {
			t.Errorf("Authorization: %q", got)
		}
	}
	// Other credentials do not.
	changed := oauth2Endpoint(t, r.URL, a.URL+"/token")
	changed.Auth.OAuth2.ClientSecret = "other"
	wantReason(t, send(t, c, changed), delivery.ReasonAuthentication)
}

func TestSend_OAuth2TokenThatExpiredIsReplaced(t *testing.T) {
	t.Parallel()
	// Tokens count as expired 10 s early.
	a := newAuthority(t, 5*time.Second)
	r := newReceiver(t, nil)
	c := newClient(t, httpsend.Options{})
	e := oauth2Endpoint(t, r.URL, a.URL+"/token")
	wantDelivered(t, send(t, c, e))
	wantDelivered(t, send(t, c, e))
	if got := r.seen()[1].Header.Get("Authorization"); got != "Bearer token-2" {
		t.Errorf("Authorization: %q", got)
	}
}

func TestSend_OAuth2TokenThatIsNotTakenIsReplaced(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, time.Hour)
	r := newReceiver(t, func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") == "Bearer token-1" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	c := newClient(t, httpsend.Options{})
	e := oauth2Endpoint(t, r.URL, a.URL+"/token")
	if got := send(t, c, e); got.Reason != delivery.ReasonStatus4xx || got.StatusCode != http.StatusUnauthorized {
		t.Fatalf("response = %+v", got)
	}
	wantDelivered(t, send(t, c, e))
	if n := len(r.seen()); n != 2 {
		t.Errorf("%d requests, want 2: an attempt is not repeated", n)
	}
}

func TestSend_OAuth2TokenIsRedacted(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, time.Hour)
	r := newReceiver(t, func(w http.ResponseWriter, req *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		say(w, "you sent %s", req.Header.Get("Authorization"))
	})
	got := send(t, newClient(t, httpsend.Options{}), oauth2Endpoint(t, r.URL, a.URL+"/token"))
	if got.Body != "you sent [redacted]" {
		t.Errorf("body %q", got.Body)
	}
}

func TestSend_OAuth2Failures(t *testing.T) {
	t.Parallel()
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
			say(w, "%s", body)
		}
	}
	tests := map[string]struct {
		answer  http.HandlerFunc
		message string
	}{
		"credentials that are refused": {
			answer(http.StatusUnauthorized, `{"error":"invalid_client","error_description":"s3cr3t-of-client"}`),
			"The OAuth2 token endpoint answered 401 Unauthorized.",
		},
		"an error with status 200": {
			answer(http.StatusOK, `{"error":"invalid_client"}`),
			"The OAuth2 token endpoint refused the client credentials.",
		},
		"a redirect": {
			answer(http.StatusFound, `{"access_token":"x"}`),
			"The OAuth2 token endpoint answered 302 Found; redirects are never followed.",
		},
		"an answer that is none": {answer(http.StatusOK, `{`), "No OAuth2 token could be had from the token endpoint."},
		"a token with a line break": {
			answer(http.StatusOK, `{"access_token":"x\r\ny"}`),
			"No OAuth2 token could be had from the token endpoint.",
		},
		"an answer that never comes": {
			func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() },
			"The OAuth2 token endpoint did not answer in time.",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newReceiver(t, tc.answer)
			r := newReceiver(t, nil)
			e := oauth2Endpoint(t, r.URL, a.URL+"/token")
			e.Timeout = 300 * time.Millisecond
			got := send(t, newClient(t, httpsend.Options{}), e)
			wantReason(t, got, delivery.ReasonAuthentication)
			if got.Message != tc.message {
				t.Errorf("message %q, want %q", got.Message, tc.message)
			}
			if len(r.seen()) != 0 {
				t.Error("a request was sent without a token")
			}
			for _, seen := range a.seen() {
				if seen.URL.Path != "/token" {
					t.Error("a redirect was followed")
				}
			}
		})
	}
}

func TestSend_OAuth2TokenURLIsGuarded(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	policy, err := egress.NewPolicy(egress.Rules{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, httpsend.Options{
		Policy:   policy,
		Resolver: resolver(map[string][]netip.Addr{"login.example": ips("127.0.0.2")}),
	})
	e := oauth2Endpoint(t, r.URL, "http://login.example/token")
	got := send(t, c, e)
	wantReason(t, got, delivery.ReasonBlocked)
	if !strings.Contains(got.Message, "loopback") {
		t.Errorf("message %q", got.Message)
	}
	if err := c.Vet(t.Context(), e); err == nil {
		t.Error("Vet() admits the token URL")
	}
	e = oauth2Endpoint(t, r.URL, "http://s3cr3t-of-client\x7f/")
	if err := c.Vet(t.Context(), e); err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("Vet() = %v", err)
	}
	wantReason(t, send(t, c, e), delivery.ReasonAuthentication)
}

func TestSend_OAuth2PresentsNoClientCertificate(t *testing.T) {
	t.Parallel()
	certificate, key := issue(t, time.Now().Add(time.Hour))
	a := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		say(w, "%s", `{"access_token":"x"}`)
	}, withTLS(true))
	r := newReceiver(t, nil)
	e := oauth2Endpoint(t, r.URL, a.URL+"/token")
	// The endpoint's CA is trusted for its token endpoint too; its server name is the endpoint's own.
	e.TLS = &delivery.TLS{CA: certificatePEM(a.Server), Certificate: certificate, Key: key, ServerName: "other.example"}
	wantDelivered(t, send(t, newClient(t, httpsend.Options{}), e))
	if n := len(a.seen()[0].TLS.PeerCertificates); n != 0 {
		t.Errorf("%d certificates were presented", n)
	}
}
