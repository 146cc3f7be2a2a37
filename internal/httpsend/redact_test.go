// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/httpsend"
)

// secrets are what the endpoint of these tests must not show.
var secrets = []string{
	`p&ss "wörd"/+é`,
	"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	"https://hooks.example.com/services/T0000001/B0000001?key=abcdefghijkl",
}

// echo sends to a receiver that answers with the text, and returns what is kept.
func echo(t *testing.T, text string, auth *delivery.Auth) string {
	t.Helper()
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		say(w, "%s", text)
	})
	e := endpoint(t, r.URL)
	e.Redact, e.Auth = secrets, auth
	return send(t, newClient(t, httpsend.Options{}), e).Body
}

func TestSend_EchoedSecretsAreRedacted(t *testing.T) {
	t.Parallel()
	password := secrets[0]
	quoted, err := json.Marshal(password)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.StdEncoding
	tests := map[string]struct{ text, want string }{
		"as it is":                    {"got " + password + "!", "got [redacted]!"},
		"nothing else":                {password, "[redacted]"},
		"in JSON":                     {`{"x":` + string(quoted) + `}`, `{"x":"[redacted]"}`},
		"in a query":                  {"a=" + url.QueryEscape(password), "a=[redacted]"},
		"in a path, in lower case":    {strings.ToLower(url.PathEscape("p&ss")) + " " + url.PathEscape(password), "p&ss [redacted]"},
		"in HTML":                     {"<p>" + html.EscapeString(password) + "</p>", "<p>[redacted]</p>"},
		"in hex":                      {fmt.Sprintf("%x", password), "[redacted]"},
		"in upper-case hex":           {fmt.Sprintf("%X", password), "[redacted]"},
		"in base64":                   {b64.EncodeToString([]byte(secrets[1])), "[redacted]="},
		"a key without its prefix":    {"key MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "key [redacted]"},
		"a URL":                       {"POST " + secrets[2], "POST [redacted]"},
		"a path as frameworks say it": {"Cannot POST /services/T0000001/B0000001", "Cannot POST [redacted]"},
		"a query":                     {"Cannot POST /services/T0000001/B0000001?key=abcdefghijkl", "Cannot POST [redacted]"},
		"several":                     {password + " " + secrets[1], "[redacted] [redacted]"},
		"nothing secret":              {"all is well", "all is well"},
		"too short to be anything":    {"ok", "ok"},
		"behind what is kept":         {strings.Repeat("x", 995) + password, strings.Repeat("x", 995) + "[reda"},
		"far behind what is kept":     {strings.Repeat("x", 5000) + password, strings.Repeat("x", 1000)},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := echo(t, tc.text, nil); got != tc.want {
				t.Errorf("body = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestSend_SecretsInsideBase64AreRedacted(t *testing.T) {
	t.Parallel()
	for shift := range 6 {
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
			text := strings.Repeat("u", shift) + secrets[0] + strings.Repeat("v", shift)
			got := echo(t, "dump: "+encoding.EncodeToString([]byte(text)), nil)
			// What remains must not decode to more than a byte or two of the secret.
			if !strings.Contains(got, "[redacted]") || len(got) > len("dump: [redacted]")+2*(shift*4/3+4) {
				t.Errorf("shift %d: body = %q", shift, got)
			}
		}
	}
}

func TestSend_CredentialsOfTheRequestAreRedacted(t *testing.T) {
	t.Parallel()
	basic := &delivery.Auth{Basic: &delivery.BasicAuth{Username: "me", Password: "swordfish"}}
	header := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:swordfish"))
	for _, text := range []string{header, strings.TrimPrefix(header, "Basic ")} {
		if got := echo(t, "got "+text, basic); got != "got [redacted]" {
			t.Errorf("body = %q", got)
		}
	}
	if got := echo(t, "Bearer abc", &delivery.Auth{Bearer: "abc"}); got != "[redacted]" {
		t.Errorf("body = %q", got)
	}
	if got := echo(t, "abc", &delivery.Auth{Bearer: "abc"}); got != "[redacted]" {
		t.Errorf("body = %q", got)
	}
}

func TestSend_SecretAcrossTheEndOfWhatIsReadIsRedacted(t *testing.T) {
	t.Parallel()
	// Secrets over and over push the rest of the body forward into what is kept; nowhere may a part of
	// one show, wherever reading stops.
	secret := "0123456789abcdefghijklmnopqrstuvwxyz"
	for offset := range 40 {
		text := strings.Repeat("-", offset) + strings.Repeat(secret, 200)
		r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			say(w, "%s", text)
		})
		e := endpoint(t, r.URL)
		e.Redact = []string{secret}
		body := send(t, newClient(t, httpsend.Options{}), e).Body
		if strings.Contains(body, secret[:4]) || strings.Contains(body, secret[32:]) {
			t.Fatalf("offset %d: body = %q", offset, body)
		}
	}
}

func TestSend_LongSecretsAreRedacted(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("0123456789abcdef", 400)
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		say(w, "%s", strings.Repeat("x", 900)+secret+" rest "+strings.Repeat("y", 60<<10))
	})
	e := endpoint(t, r.URL)
	e.Redact = []string{secret}
	want := strings.Repeat("x", 900) + "[redacted] rest "
	if got := send(t, newClient(t, httpsend.Options{}), e).Body; !strings.HasPrefix(got, want) || len(got) != 1000 {
		t.Errorf("body = %q", got)
	}
}
