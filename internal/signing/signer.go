// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package signing

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Defaults of Headers.
const (
	DefaultPrefix          = "webhook-"
	DefaultIDHeader        = "X-Webhook-ID"
	DefaultTimestampHeader = "X-Webhook-Timestamp"
	DefaultSignatureHeader = "X-Webhook-Signature"
	DefaultValuePrefix     = "v1="
)

// gitHubHeader is where GitHub's receivers look for the signature.
const gitHubHeader = "X-Hub-Signature-256"

// maxHeaderName bounds the name of a header in bytes, its prefix included.
const maxHeaderName = 128

// Headers names the headers that a Signer sets. Members that do not concern the scheme are ignored;
// empty ones take their default.
type Headers struct {
	// Prefix is what the header names of the Standard Webhooks schemes begin with; "webhook-" by
	// default, for webhook-id, webhook-timestamp and webhook-signature.
	Prefix string
	// ID, Timestamp and Signature are the header names of HMACHex; X-Webhook-ID, X-Webhook-Timestamp
	// and X-Webhook-Signature by default.
	ID, Timestamp, Signature string
	// ValuePrefix stands before each hex signature of HMACHex; "v1=" by default.
	ValuePrefix string
}

// Signer sets the signature headers of requests. It is safe for concurrent use.
type Signer struct {
	scheme Scheme
	// The canonical names of the headers; id and timestamp are empty for GitHub.
	id, timestamp, signature string
	// withID says whether the id is part of what is signed.
	withID bool
	// separator stands between the signatures of two keys.
	separator string
	signers   []keySigner
}

// keySigner appends one signature, with its prefix, of head followed by body.
type keySigner interface {
	appendSignature(dst, head, body []byte) []byte
}

// NewSigner returns a Signer for the scheme with the names of h and the given keys: the current one
// first, then the previous one while their overlap lasts.
//
// All keys sign: the signatures of the Standard Webhooks schemes are separated by spaces, as their
// specification says, and those of HMACHex by commas. GitHub's header holds one signature: there the
// last key, the previous one, signs alone until it is gone. An error says which key or name is at
// fault; the scheme None has no Signer.
func NewSigner(scheme Scheme, h Headers, keys []Key) (*Signer, error) {
	form := scheme.KeyForm()
	if form == "" {
		return nil, fmt.Errorf("make signer: the scheme %q does not sign", string(scheme))
	}
	if len(keys) == 0 {
		return nil, errors.New("make signer: no signing key")
	}
	for i, k := range keys {
		if k.form() != form {
			return nil, fmt.Errorf("make signer: key %d: %w: %s takes a key of the form %s", i, ErrKeyForm, scheme, form)
		}
	}
	s := &Signer{scheme: scheme, separator: " "}
	valuePrefix := s.name(h)
	for _, name := range s.HeaderNames() {
		if !validName(name) {
			return nil, fmt.Errorf("make signer: %q is not the name of a header", name)
		}
	}
	names := slices.Sorted(slices.Values(s.HeaderNames()))
	if len(slices.Compact(names)) != len(s.HeaderNames()) {
		return nil, errors.New("make signer: the header names must differ")
	}
	if !validValue(valuePrefix) {
		return nil, fmt.Errorf("make signer: %q cannot stand before a signature", valuePrefix)
	}
	if scheme == GitHub {
		keys = keys[len(keys)-1:]
	}
	for _, k := range keys {
		s.signers = append(s.signers, newKeySigner(scheme, valuePrefix, k))
	}
	return s, nil
}

// name sets the names of the headers and what the scheme does with them, and returns what stands
// before each signature.
func (s *Signer) name(h Headers) (valuePrefix string) {
	switch s.scheme {
	case GitHub:
		s.signature = gitHubHeader
		return "sha256="
	case HMACHex:
		s.separator = ","
		s.id = canonical(h.ID, DefaultIDHeader)
		s.timestamp = canonical(h.Timestamp, DefaultTimestampHeader)
		s.signature = canonical(h.Signature, DefaultSignatureHeader)
		if h.ValuePrefix == "" {
			return DefaultValuePrefix
		}
		return h.ValuePrefix
	default:
		prefix := h.Prefix
		if prefix == "" {
			prefix = DefaultPrefix
		}
		s.withID = true
		s.id = http.CanonicalHeaderKey(prefix + "id")
		s.timestamp = http.CanonicalHeaderKey(prefix + "timestamp")
		s.signature = http.CanonicalHeaderKey(prefix + "signature")
		if s.scheme == StandardWebhooksEd25519 {
			return "v1a,"
		}
		return "v1,"
	}
}

// Sign sets the headers that sign the body, and replaces those of the same names. The id is the
// webhook's, the same on every attempt; at is the time of this attempt, sent in whole seconds.
func (s *Signer) Sign(h http.Header, id string, at time.Time, body []byte) {
	b := buffers.Get().(*buffer)
	defer buffers.Put(b)

	var seconds string
	b.head = b.head[:0]
	if s.timestamp != "" {
		seconds = strconv.FormatInt(at.Unix(), 10)
		if s.withID {
			b.head = append(append(b.head, id...), '.')
		}
		b.head = append(append(b.head, seconds...), '.')
	}
	b.signature = b.signature[:0]
	for i, signer := range s.signers {
		if i > 0 {
			b.signature = append(b.signature, s.separator...)
		}
		b.signature = signer.appendSignature(b.signature, b.head, body)
	}
	s.set(h, id, seconds, string(b.signature))
}

// set sets the headers; the three values share one allocation.
func (s *Signer) set(h http.Header, id, seconds, signature string) {
	values := make([]string, 3)
	values[0] = signature
	h[s.signature] = values[0:1:1]
	if s.timestamp == "" {
		return
	}
	values[1], values[2] = id, seconds
	h[s.id] = values[1:2:2]
	h[s.timestamp] = values[2:3:3]
}

// HeaderNames returns the canonical names of the headers that Sign sets, which nobody else may set.
func (s *Signer) HeaderNames() []string {
	if s.timestamp == "" {
		return []string{s.signature}
	}
	return []string{s.id, s.timestamp, s.signature}
}

// canonical returns the canonical form of name, or of fallback where name is empty.
func canonical(name, fallback string) string {
	if name == "" {
		name = fallback
	}
	return http.CanonicalHeaderKey(name)
}

// validName reports whether name is a token of RFC 9110 of a reasonable length.
func validName(name string) bool {
	if name == "" || len(name) > maxHeaderName {
		return false
	}
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case slices.Contains([]byte("!#$%&'*+-.^_`|~"), c):
		default:
			return false
		}
	}
	return true
}

// validValue reports whether value can begin a header's value: visible ASCII, no comma, which
// separates signatures.
func validValue(value string) bool {
	if len(value) > maxHeaderName {
		return false
	}
	for i, c := range []byte(value) {
		last := i == len(value)-1
		if c <= ' ' || c > '~' || c == ',' && !last {
			return false
		}
	}
	return true
}
