// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strings"
)

// redacted replaces secrets in what is kept of an answer.
const redacted = "[redacted]"

// minFragment is the least length of a part of a secret, or of a form that depends on where in a text
// the secret stands, that is looked for by itself: shorter ones would be found in any text.
const minFragment = 8

// redactor replaces secrets in what receivers echo: as they are, and in the forms that an error page, a
// dump of headers or JSON gives them. It is immutable.
type redactor struct {
	// authorization is the header's value that it covers beside the endpoint's secrets.
	authorization string
	replacer      *strings.Replacer
	// shortest and longest are the lengths of what is looked for; both are 0 without secrets.
	shortest, longest int
}

// newRedactor returns a redactor of the secrets and of the value of an Authorization header.
func newRedactor(secrets []string, authorization string) *redactor {
	r := &redactor{authorization: authorization}
	_, credential, _ := strings.Cut(authorization, " ")
	needles := make(map[string]struct{})
	for _, secret := range append(slices.Clone(secrets), authorization, credential) {
		for _, form := range secretForms(secret) {
			needles[form] = struct{}{}
		}
	}
	delete(needles, "")
	ordered := make([]string, 0, len(needles))
	for needle := range needles {
		ordered = append(ordered, needle)
	}
	if len(ordered) == 0 {
		return r
	}
	// Of several that match at one place the first in order wins, so the longest goes first.
	slices.SortFunc(ordered, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	r.longest, r.shortest = len(ordered[0]), len(ordered[len(ordered)-1])
	pairs := make([]string, 0, 2*len(ordered))
	for _, needle := range ordered {
		pairs = append(pairs, needle, redacted)
	}
	r.replacer = strings.NewReplacer(pairs...)
	return r
}

// capture returns how much of a body must be looked at to keep maxKept bytes of it, as far as a body
// that repeats a secret over and over may be cut short.
func (r *redactor) capture() int { return min(maxKept+4*r.longest, maxRead) }

// apply returns the body without secrets. A body that is not complete may end inside a secret: as many
// bytes as that could be are left out.
func (r *redactor) apply(body []byte, complete bool) []byte {
	if r.replacer == nil || len(body) < r.shortest && complete {
		return body
	}
	clean := []byte(r.replacer.Replace(string(body)))
	if complete {
		return clean
	}
	return clean[:max(len(clean)-(r.longest-1), 0)]
}

// redact returns the redactor for an answer to a request with the authorization.
func (t *target) redact(authorization string) *redactor {
	r := t.redactor.Load()
	if r == nil || r.authorization != authorization {
		r = newRedactor(t.endpoint.Redact, authorization)
		t.redactor.Store(r)
	}
	return r
}

// shortestSecret returns the least length of an answer that may hold a secret: the forms of a secret are
// no shorter than itself, and its parts no shorter than minFragment.
func shortestSecret(secrets []string, authorization string) int {
	_, credential, _ := strings.Cut(authorization, " ")
	shortest := minFragment
	for _, secret := range append(slices.Clone(secrets), credential) {
		if secret != "" {
			shortest = min(shortest, len(secret))
		}
	}
	return shortest
}

// secretForms returns the forms in which a receiver may echo a secret.
func secretForms(secret string) []string {
	if secret == "" {
		return nil
	}
	forms := encodings(secret)
	for _, part := range parts(secret) {
		if len(part) >= minFragment {
			forms = append(forms, encodings(part)...)
		}
	}
	return forms
}

// parts returns what a receiver knows of a secret although it is not the whole: a signing key without
// its prefix, and the path and query of a URL.
func parts(secret string) []string {
	for _, prefix := range []string{"whsec_", "whsk_"} {
		if rest, ok := strings.CutPrefix(secret, prefix); ok {
			return []string{rest}
		}
	}
	if !strings.HasPrefix(secret, "http://") && !strings.HasPrefix(secret, "https://") {
		return nil
	}
	u, err := url.Parse(secret)
	if err != nil {
		return nil
	}
	found := []string{u.RequestURI(), u.EscapedPath(), u.Path, u.RawQuery}
	for _, values := range u.Query() {
		found = append(found, values...)
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		found = append(found, segment)
	}
	return found
}

// encodings returns the text in the encodings that are common in answers.
func encodings(s string) []string {
	found := []string{
		s,
		url.QueryEscape(s), url.PathEscape(s), lowerEscapes(url.QueryEscape(s)), lowerEscapes(url.PathEscape(s)),
		html.EscapeString(s),
		jsonEscape(s, true), jsonEscape(s, false),
	}
	if len(s) >= minFragment {
		found = append(found, hex.EncodeToString([]byte(s)), strings.ToUpper(hex.EncodeToString([]byte(s))))
		found = append(found, base64Forms(s)...)
	}
	return found
}

// lowerEscapes writes the hexadecimal digits of URL escapes in lower case.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i:], bytes.ToLower(b[i:i+3]))
		}
	}
	return string(b)
}

// jsonEscape returns the inside of the JSON string of s, with or without the escapes for HTML.
func jsonEscape(s string, forHTML bool) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(forHTML)
	if err := e.Encode(s); err != nil {
		return ""
	}
	return strings.Trim(strings.TrimSuffix(b.String(), "\n"), `"`)
}

// base64Forms returns s in base64, in both alphabets, and what base64 makes of s in the midst of a
// longer text: there are three ways to fall into its groups of three bytes, and the characters that s
// shares with its neighbours are left out.
func base64Forms(s string) []string {
	var found []string
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		found = append(found, encoding.EncodeToString([]byte(s)))
		for shift := range 3 {
			padded := append(make([]byte, shift), s...)
			whole := encoding.EncodeToString(padded)
			// The bits of shift bytes end within character shift*8/6 (rounded up).
			start := (shift*8 + 5) / 6
			end := len(padded) * 8 / 6
			if end-start >= minFragment {
				found = append(found, whole[start:end])
			}
		}
	}
	return found
}
