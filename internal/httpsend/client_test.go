// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/httpsend"
	"github.com/posthorn-dev/posthorn/internal/testkit/ports"
)

func TestSend_PostsTheRequest(t *testing.T) { eachWay(t, postsTheRequest) }

func postsTheRequest(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		say(w, "%s", "taken")
	})
	c := newClient(t, httpsend.Options{UserAgent: "Posthorn/1.2.3"})
	request := post(endpoint(t, r.URL+"/hooks/a%2Fb?token=x"))
	request.Header["User-Agent"] = []string{"somebody else"}
	got := c.Send(t.Context(), request)
	wantDelivered(t, got)
	if got.StatusCode != http.StatusAccepted || got.Body != "taken" || got.Duration <= 0 {
		t.Errorf("response = %+v", got)
	}
	seen := r.seen()[0]
	if seen.Method != http.MethodPost || seen.RequestURI != "/hooks/a%2Fb?token=x" || seen.Host != r.Listener.Addr().String() {
		t.Errorf("request line: %s %s, host %s", seen.Method, seen.RequestURI, seen.Host)
	}
	for name, want := range map[string]string{
		"User-Agent": "Posthorn/1.2.3", "Webhook-Id": "msg_1", "Content-Type": "application/json", "Content-Length": "17",
	} {
		if got := seen.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if seen.body != `{"hello":"world"}` {
		t.Errorf("body %q", seen.body)
	}
}

func TestSend_Statuses(t *testing.T) { eachWay(t, statuses) }

func statuses(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	r := newReceiver(t, func(w http.ResponseWriter, req *http.Request) {
		var status int
		if _, err := fmt.Sscanf(req.URL.Path, "/%d", &status); err != nil {
			t.Error(err)
		}
		w.Header().Set("Retry-After", "17")
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	})
	c := newClient(t, httpsend.Options{})
	tests := map[int]struct {
		reason     delivery.FailureReason
		retryAfter time.Duration
		message    string
	}{
		200: {reason: delivery.ReasonNone},
		204: {reason: delivery.ReasonNone},
		299: {reason: delivery.ReasonNone},
		301: {reason: delivery.ReasonRedirect, message: "The endpoint answered 301 Moved Permanently; redirects are never followed."},
		307: {reason: delivery.ReasonRedirect, message: "The endpoint answered 307 Temporary Redirect; redirects are never followed."},
		400: {reason: delivery.ReasonStatus4xx, message: "The endpoint answered 400 Bad Request."},
		410: {reason: delivery.ReasonGone, message: "The endpoint answered 410 Gone."},
		429: {reason: delivery.ReasonRateLimited, retryAfter: 17 * time.Second, message: "The endpoint answered 429 Too Many Requests."},
		499: {reason: delivery.ReasonStatus4xx, message: "The endpoint answered 499."},
		500: {reason: delivery.ReasonStatus5xx, message: "The endpoint answered 500 Internal Server Error."},
		503: {reason: delivery.ReasonStatus5xx, retryAfter: 17 * time.Second, message: "The endpoint answered 503 Service Unavailable."},
		600: {reason: delivery.ReasonUnexpectedStatus, message: "The endpoint answered 600."},
		999: {reason: delivery.ReasonUnexpectedStatus, message: "The endpoint answered 999."},
	}
	for status, tc := range tests {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			e := endpoint(t, fmt.Sprintf("%s/%d", r.URL, status))
			e.Name.Name = fmt.Sprint(status)
			got := send(t, c, e)
			if got.StatusCode != status || got.Reason != tc.reason || got.RetryAfter != tc.retryAfter || got.Message != tc.message {
				t.Errorf("response = %+v, want %+v", got, tc)
			}
		})
	}
	t.Cleanup(func() {
		for _, seen := range r.seen() {
			if seen.URL.Path == "/elsewhere" {
				t.Error("a redirect was followed")
			}
		}
	})
}

func TestSend_RetryAfterAsDate(t *testing.T) { eachWay(t, retryAfterAsDate) }

func retryAfterAsDate(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusTooManyRequests)
	})
	got := send(t, newClient(t, httpsend.Options{}), endpoint(t, r.URL))
	if got.RetryAfter < 50*time.Minute || got.RetryAfter > time.Hour {
		t.Errorf("RetryAfter = %s, want about an hour", got.RetryAfter)
	}
}

func TestSend_ConnectionsAreReused(t *testing.T) { eachWay(t, connectionsAreReused) }

func connectionsAreReused(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	bodies := map[string]string{"none": "", "short": "ok", "long": strings.Repeat("x", 64<<10)}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { say(w, "%s", body) })
			c := newClient(t, httpsend.Options{})
			for range 10 {
				wantDelivered(t, send(t, c, endpoint(t, r.URL)))
			}
			if n := r.connections(); n != 1 {
				t.Errorf("%d connections, want 1", n)
			}
		})
	}
}

func TestSend_HugeAnswerIsNotReadToItsEnd(t *testing.T) { eachWay(t, hugeAnswerIsNotReadToItsEnd) }

func hugeAnswerIsNotReadToItsEnd(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		chunk := bytes.Repeat([]byte("x"), 32<<10)
		for {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	got := send(t, newClient(t, httpsend.Options{}), endpoint(t, r.URL))
	wantDelivered(t, got)
	if len(got.Body) != 1000 {
		t.Errorf("%d bytes are kept, want 1000", len(got.Body))
	}
}

func TestSend_BodyIsKeptAsText(t *testing.T) { eachWay(t, bodyIsKeptAsText) }

func bodyIsKeptAsText(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	tests := map[string]struct{ body, want string }{
		"cut at 1,000 bytes":              {strings.Repeat("x", 5000), strings.Repeat("x", 1000)},
		"cut before a character's middle": {strings.Repeat("x", 999) + "é", strings.Repeat("x", 999)},
		"broken UTF-8 is replaced":        {"a\xff\xfeb", "a\uFFFDb"},
		"replacing does not make it long": {strings.Repeat("\xff!", 600), strings.Repeat("\uFFFD!", 250)},
		"a byte order mark stays":         {"\uFEFFx", "\uFEFFx"},
		"a character cut at the buffer":   {strings.Repeat("é", 2500), strings.Repeat("é", 500)},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusInternalServerError)
				say(w, "%s", tc.body)
			})
			got := send(t, newClient(t, httpsend.Options{}), endpoint(t, r.URL))
			if got.Body != tc.want || !utf8.ValidString(got.Body) {
				t.Errorf("body = %q (%d bytes), want %q (%d bytes)", got.Body, len(got.Body), tc.want, len(tc.want))
			}
		})
	}
}

// A compressed answer could be of any size, so none is asked for, and one that comes all the same is not unpacked.
func TestSend_AsksForNoCompressedAnswer(t *testing.T) { eachWay(t, asksForNoCompressedAnswer) }

func asksForNoCompressedAnswer(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range 100 {
		if _, err := z.Write(make([]byte, 32<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	asked := make(chan []string, 1)
	r := newReceiver(t, func(w http.ResponseWriter, req *http.Request) {
		asked <- req.Header.Values("Accept-Encoding")
		w.Header().Set("Content-Encoding", "gzip")
		if _, err := w.Write(bomb.Bytes()); err != nil {
			return
		}
	})
	got := send(t, newClient(t, httpsend.Options{}), endpoint(t, r.URL))
	wantDelivered(t, got)
	if accepts := <-asked; len(accepts) > 0 {
		t.Errorf("Accept-Encoding = %q, want none", accepts)
	}
	if !strings.HasPrefix(got.Body, "\x1f") || len(got.Body) > 1000 {
		t.Errorf("body = %q…", got.Body[:min(len(got.Body), 20)])
	}
}

func TestSend_EndsWithTheTimeout(t *testing.T) { eachWay(t, endsWithTheTimeout) }

func endsWithTheTimeout(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	tests := map[string]http.HandlerFunc{
		"an answer that never comes": func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() },
		"a body that never ends": func(w http.ResponseWriter, req *http.Request) {
			say(w, "%s", "first")
			w.(http.Flusher).Flush()
			<-req.Context().Done()
		},
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, answer)
			e := endpoint(t, r.URL)
			e.Timeout = 50 * time.Millisecond
			got := send(t, newClient(t, httpsend.Options{}), e)
			wantReason(t, got, delivery.ReasonTimeout)
			if want := "No complete answer came within 50ms."; got.Message != want {
				t.Errorf("message %q, want %q", got.Message, want)
			}
		})
	}
}

func TestSend_FailureKeepsItsStatusWhenTheBodyHangs(t *testing.T) {
	eachWay(t, failureKeepsItsStatusWhenTheBodyHangs)
}

func failureKeepsItsStatusWhenTheBodyHangs(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	r := newReceiver(t, func(w http.ResponseWriter, req *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		say(w, "%s", "first")
		w.(http.Flusher).Flush()
		<-req.Context().Done()
	})
	e := endpoint(t, r.URL)
	e.Timeout = 50 * time.Millisecond
	got := send(t, newClient(t, httpsend.Options{}), e)
	if got.StatusCode != http.StatusBadGateway || got.Reason != delivery.ReasonStatus5xx || got.Body != "first" {
		t.Errorf("response = %+v", got)
	}
}

func TestSend_CancelInterrupts(t *testing.T) { eachWay(t, cancelInterrupts) }

func cancelInterrupts(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	r := newReceiver(t, func(_ http.ResponseWriter, req *http.Request) {
		cancel()
		<-req.Context().Done()
	})
	wantReason(t, newClient(t, httpsend.Options{}).Send(ctx, post(endpoint(t, r.URL))), delivery.ReasonInterrupted)
}

func TestSend_BrokenAnswers(t *testing.T) { eachWay(t, brokenAnswers) }

func brokenAnswers(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun"
	tests := map[string]struct {
		answer string
		want   delivery.FailureReason
	}{
		"no answer at all":               {"", delivery.ReasonConnection},
		"not HTTP":                       {"SSH-2.0-OpenSSH_9.9\r\n\r\n", delivery.ReasonInvalidResponse},
		"a status that is no number":     {"HTTP/1.1 abc OK\r\n\r\n", delivery.ReasonInvalidResponse},
		"a header without a colon":       {"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", delivery.ReasonInvalidResponse},
		"headers beyond 64 KiB":          {"HTTP/1.1 200 OK\r\nX-Big: " + strings.Repeat("x", 80<<10) + "\r\n\r\n", delivery.ReasonInvalidResponse},
		"half a header":                  {"HTTP/1.1 200 OK\r\nContent-Le", delivery.ReasonInvalidResponse},
		"2xx whose body breaks off":      {ok, delivery.ReasonNone},
		"2xx with gzip that is none":     {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain", delivery.ReasonNone},
		"informational answers are over": {"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", delivery.ReasonNone},
		"informational answers for ever": {strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 4000), delivery.ReasonInvalidResponse},
		"a switch of protocols":          {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", delivery.ReasonUnexpectedStatus},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rawURL := rawServer(t, func(_ int, conn net.Conn) {
				if err := readRequest(conn); err == nil {
					// A client that has seen enough closes: nothing to check.
					_, _ = conn.Write([]byte(tc.answer))
				}
			})
			got := send(t, newClient(t, httpsend.Options{}), endpoint(t, rawURL))
			if got.Reason != tc.want || (got.Message == "") != (tc.want == delivery.ReasonNone) {
				t.Errorf("response = %+v, want the reason %q", got, tc.want)
			}
			if strings.Contains(got.Message, "127.0.0.1") || strings.Contains(got.Message, "hooks") {
				t.Errorf("the message tells where: %q", got.Message)
			}
		})
	}
}

func TestSend_NobodyListens(t *testing.T) { eachWay(t, nobodyListens) }

func nobodyListens(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	address, err := ports.Address()
	if err != nil {
		t.Fatal(err)
	}
	got := send(t, newClient(t, httpsend.Options{}), endpoint(t, "http://"+address))
	wantReason(t, got, delivery.ReasonRefused)
}

func TestSend_AfterClose(t *testing.T) { eachWay(t, afterClose) }

func afterClose(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	r := newReceiver(t, nil)
	c := newClient(t, httpsend.Options{})
	wantDelivered(t, send(t, c, endpoint(t, r.URL)))
	c.Close()
	wantReason(t, send(t, c, endpoint(t, r.URL)), delivery.ReasonInterrupted)
}

func TestSend_StaticAuthentication(t *testing.T) { eachWay(t, staticAuthentication) }

func staticAuthentication(t *testing.T, newClient maker) {
	t.Helper()
	t.Parallel()
	tests := map[string]struct {
		auth delivery.Auth
		want string
	}{
		"basic":  {delivery.Auth{Basic: &delivery.BasicAuth{Username: "me", Password: "pa:ss"}}, "Basic bWU6cGE6c3M="},
		"bearer": {delivery.Auth{Bearer: "abc.def"}, "Bearer abc.def"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, nil)
			e := endpoint(t, r.URL)
			e.Auth = &tc.auth
			wantDelivered(t, send(t, newClient(t, httpsend.Options{}), e))
			if got := r.seen()[0].Header.Get("Authorization"); got != tc.want {
				t.Errorf("Authorization: %q, want %q", got, tc.want)
			}
		})
	}
}
