// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package signing_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/posthorn-dev/posthorn/internal/signing"
)

var (
	body = []byte(`{"hello":"world"}`)
	at   = time.Unix(1_800_000_000, 999_999_999)
)

// hexMAC computes what the hex schemes must send, without the package under test.
func hexMAC(key, content string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(content))
	return hex.EncodeToString(mac.Sum(nil))
}

func TestSigner_Headers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		scheme  signing.Scheme
		headers signing.Headers
		keys    []string
		want    http.Header
	}{
		"HMACHex with its defaults": {
			scheme: signing.HMACHex,
			keys:   []string{"one"},
			want: http.Header{
				"X-Webhook-Id":        {"id-1"},
				"X-Webhook-Timestamp": {"1800000000"},
				"X-Webhook-Signature": {"v1=" + hexMAC("one", "1800000000."+string(body))},
			},
		},
		"HMACHex with names of one's own": {
			scheme:  signing.HMACHex,
			headers: signing.Headers{ID: "x-id", Timestamp: "x-time", Signature: "x-sig", ValuePrefix: "sha256="},
			keys:    []string{"one"},
			want: http.Header{
				"X-Id":   {"id-1"},
				"X-Time": {"1800000000"},
				"X-Sig":  {"sha256=" + hexMAC("one", "1800000000."+string(body))},
			},
		},
		"HMACHex signs with both keys of an overlap": {
			scheme: signing.HMACHex,
			keys:   []string{"new", "old"},
			want: http.Header{
				"X-Webhook-Id":        {"id-1"},
				"X-Webhook-Timestamp": {"1800000000"},
				"X-Webhook-Signature": {
					"v1=" + hexMAC("new", "1800000000."+string(body)) + ",v1=" + hexMAC("old", "1800000000."+string(body)),
				},
			},
		},
		"GitHub signs with the one key": {
			scheme: signing.GitHub,
			keys:   []string{"one"},
			want:   http.Header{"X-Hub-Signature-256": {"sha256=" + hexMAC("one", string(body))}},
		},
		"GitHub signs with the previous key while an overlap lasts": {
			scheme: signing.GitHub,
			keys:   []string{"new", "old"},
			want:   http.Header{"X-Hub-Signature-256": {"sha256=" + hexMAC("old", string(body))}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var keys []signing.Key
			for _, raw := range tc.keys {
				keys = append(keys, mustParse(t, tc.scheme, raw))
			}
			s := mustSigner(t, tc.scheme, tc.headers, keys...)
			got := http.Header{}
			s.Sign(got, "id-1", at, body)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("headers differ (-want +got):\n%s", diff)
			}
			for _, name := range s.HeaderNames() {
				if got.Get(name) == "" {
					t.Errorf("HeaderNames() holds %s, which is not set", name)
				}
			}
			if len(s.HeaderNames()) != len(got) {
				t.Errorf("HeaderNames() = %v, and %d headers are set", s.HeaderNames(), len(got))
			}
		})
	}
}

func TestSigner_IndependentLibraryVerifies(t *testing.T) {
	t.Parallel()
	oldKey, newKey := symmetric(24), symmetric(64)
	s := mustSigner(t, signing.StandardWebhooks, signing.Headers{},
		mustParse(t, signing.StandardWebhooks, newKey), mustParse(t, signing.StandardWebhooks, oldKey))
	h := http.Header{}
	s.Sign(h, "msg_1", time.Now(), body)
	for _, key := range []string{oldKey, newKey} {
		verifier, err := standardwebhooks.NewWebhook(key)
		if err != nil {
			t.Fatal(err)
		}
		if err := verifier.Verify(body, h); err != nil {
			t.Errorf("the signature does not verify: %v", err)
		}
		if err := verifier.Verify(append(body, ' '), h); err == nil {
			t.Error("another body verifies")
		}
	}
	other, err := standardwebhooks.NewWebhook(symmetric(32))
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Verify(body, h); err == nil {
		t.Error("the signature verifies with another key")
	}
}

func TestSigner_PrefixNamesTheHeaders(t *testing.T) {
	t.Parallel()
	s := mustSigner(t, signing.StandardWebhooks, signing.Headers{Prefix: "svix-"}, mustParse(t, signing.StandardWebhooks, symmetric(32)))
	want := []string{"Svix-Id", "Svix-Timestamp", "Svix-Signature"}
	if diff := cmp.Diff(want, s.HeaderNames()); diff != "" {
		t.Errorf("names differ (-want +got):\n%s", diff)
	}
}

func TestSigner_Ed25519VerifiesWithThePublicKey(t *testing.T) {
	t.Parallel()
	key := mustParse(t, signing.StandardWebhooksEd25519, private(bytes.Repeat([]byte{3}, 32)))
	s := mustSigner(t, signing.StandardWebhooksEd25519, signing.Headers{}, key)
	h := http.Header{}
	s.Sign(h, "msg_1", at, body)
	public, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(key.PublicKey(), "whpk_"))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(h.Get("webhook-signature"), "v1a,"))
	if err != nil {
		t.Fatal(err)
	}
	if !ed25519.Verify(public, []byte("msg_1.1800000000."+string(body)), signature) {
		t.Error("the signature does not verify")
	}
}

func TestNewSigner_Refuses(t *testing.T) {
	t.Parallel()
	raw := mustParse(t, signing.GitHub, "raw")
	pair := mustParse(t, signing.StandardWebhooksEd25519, private(make([]byte, 32)))
	tests := map[string]struct {
		scheme  signing.Scheme
		headers signing.Headers
		keys    []signing.Key
	}{
		"the scheme None":                  {signing.None, signing.Headers{}, []signing.Key{raw}},
		"no key":                           {signing.GitHub, signing.Headers{}, nil},
		"the zero key":                     {signing.GitHub, signing.Headers{}, []signing.Key{{}}},
		"a key of another form":            {signing.GitHub, signing.Headers{}, []signing.Key{pair}},
		"a previous key of another form":   {signing.StandardWebhooksEd25519, signing.Headers{}, []signing.Key{pair, raw}},
		"a prefix that makes no name":      {signing.StandardWebhooks, signing.Headers{Prefix: "a b"}, []signing.Key{raw}},
		"a prefix with a line break":       {signing.StandardWebhooks, signing.Headers{Prefix: "a\r\nb: "}, []signing.Key{raw}},
		"a name that is none":              {signing.HMACHex, signing.Headers{ID: "a:b"}, []signing.Key{raw}},
		"a name that is too long":          {signing.HMACHex, signing.Headers{ID: strings.Repeat("a", 129)}, []signing.Key{raw}},
		"two headers of one name":          {signing.HMACHex, signing.Headers{ID: "X-A", Signature: "x-a"}, []signing.Key{raw}},
		"a value prefix with a space":      {signing.HMACHex, signing.Headers{ValuePrefix: "v1 ="}, []signing.Key{raw}},
		"a value prefix with a line break": {signing.HMACHex, signing.Headers{ValuePrefix: "v1\n"}, []signing.Key{raw}},
		"a value prefix that separates":    {signing.HMACHex, signing.Headers{ValuePrefix: "v1,v2="}, []signing.Key{raw}},
		"a value prefix that is too long":  {signing.HMACHex, signing.Headers{ValuePrefix: strings.Repeat("v", 129)}, []signing.Key{raw}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := signing.NewSigner(tc.scheme, tc.headers, tc.keys); err == nil {
				t.Error("no error")
			}
		})
	}
	if _, err := signing.NewSigner(signing.GitHub, signing.Headers{}, []signing.Key{pair}); !errors.Is(err, signing.ErrKeyForm) {
		t.Errorf("error = %v, want ErrKeyForm", err)
	}
}

func TestSigner_ConcurrentUse(t *testing.T) {
	t.Parallel()
	s := mustSigner(t, signing.StandardWebhooks, signing.Headers{}, mustParse(t, signing.StandardWebhooks, symmetric(32)))
	want := http.Header{}
	s.Sign(want, "msg_1", at, body)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				got := http.Header{}
				s.Sign(got, "msg_1", at, body)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("signatures differ (-want +got):\n%s", diff)
					return
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkSigner_Sign(b *testing.B) {
	payload := bytes.Repeat([]byte("x"), 512)
	keys := map[signing.Scheme]string{
		signing.StandardWebhooks:        symmetric(32),
		signing.StandardWebhooksEd25519: private(make([]byte, 32)),
		signing.HMACHex:                 symmetric(32),
		signing.GitHub:                  symmetric(32),
	}
	for scheme, raw := range keys {
		b.Run(string(scheme), func(b *testing.B) {
			s := mustSigner(b, scheme, signing.Headers{}, mustParse(b, scheme, raw))
			h := http.Header{}
			b.ReportAllocs()
			for b.Loop() {
				s.Sign(h, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, payload)
			}
		})
	}
}
