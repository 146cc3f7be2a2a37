// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package signing_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/posthorn-dev/posthorn/internal/signing"
)

// symmetric returns a whsec_ key of n bytes.
func symmetric(n int) string {
	return "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xa5}, n))
}

// private returns the whsk_ form of bytes.
func private(b []byte) string { return "whsk_" + base64.StdEncoding.EncodeToString(b) }

func TestParseKey_Forms(t *testing.T) {
	t.Parallel()
	seed := bytes.Repeat([]byte{7}, ed25519.SeedSize)
	pair := ed25519.NewKeyFromSeed(seed)
	foreign := append(bytes.Clone(seed), make([]byte, 32)...)
	tests := map[string]struct {
		scheme signing.Scheme
		raw    string
		// want is part of the error; empty when the key is good.
		want string
	}{
		"the shortest symmetric key":                 {signing.StandardWebhooks, symmetric(24), ""},
		"the longest symmetric key":                  {signing.StandardWebhooks, symmetric(64), ""},
		"a trailing newline is cut":                  {signing.StandardWebhooks, symmetric(32) + "\n", ""},
		"a trailing CRLF is cut":                     {signing.StandardWebhooks, symmetric(32) + "\r\n", ""},
		"a second newline is refused":                {signing.StandardWebhooks, symmetric(32) + "\n\n", "not base64"},
		"a symmetric key one byte short":             {signing.StandardWebhooks, symmetric(23), "decodes to 23 bytes"},
		"a symmetric key one byte long":              {signing.StandardWebhooks, symmetric(65), "decodes to 65 bytes"},
		"a raw key for Standard Webhooks":            {signing.StandardWebhooks, "hello", "must be whsec_"},
		"base64 that is broken":                      {signing.StandardWebhooks, "whsec_!!!", "not base64"},
		"nothing at all":                             {signing.StandardWebhooks, "", "empty"},
		"a newline alone":                            {signing.GitHub, "\n", "empty"},
		"an Ed25519 key where a symmetric is needed": {signing.HMACHex, private(pair), "Ed25519"},
		"a raw key for GitHub":                       {signing.GitHub, "It's a Secret to Everybody", ""},
		"a raw key for HMACHex":                      {signing.HMACHex, "x", ""},
		"a raw key that is too long":                 {signing.HMACHex, strings.Repeat("x", 1025), "at most 1024"},
		"a decoded key for HMACHex":                  {signing.HMACHex, symmetric(32), ""},
		"a decoded key for GitHub that is too short": {signing.GitHub, symmetric(8), "decodes to 8 bytes"},
		"an Ed25519 pair":                            {signing.StandardWebhooksEd25519, private(pair), ""},
		"an Ed25519 seed":                            {signing.StandardWebhooksEd25519, private(seed), ""},
		"an Ed25519 pair that is none":               {signing.StandardWebhooksEd25519, private(foreign), "public half"},
		"an Ed25519 key of another size":             {signing.StandardWebhooksEd25519, private(seed[:16]), "64 are required"},
		"Ed25519 with broken base64":                 {signing.StandardWebhooksEd25519, "whsk_!", "not base64"},
		"a public key":                               {signing.StandardWebhooksEd25519, "whpk_AAAA", "public key"},
		"a symmetric key where Ed25519 is needed":    {signing.StandardWebhooksEd25519, symmetric(32), "must be whsk_"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key, err := signing.ParseKey(tc.scheme, []byte(tc.raw))
			if tc.want == "" {
				if err != nil || key.IsZero() {
					t.Fatalf("ParseKey() = %v, %v", key, err)
				}
				return
			}
			if !errors.Is(err, signing.ErrMalformedKey) || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("ParseKey() error = %v, want one with %q", err, tc.want)
			}
			if raw := strings.TrimSpace(tc.raw); len(raw) > 8 && strings.Contains(err.Error(), raw[6:]) {
				t.Errorf("the error quotes the key: %v", err)
			}
		})
	}
}

func TestParseKey_SchemeWithoutKeys(t *testing.T) {
	t.Parallel()
	for _, scheme := range []signing.Scheme{signing.None, "Other"} {
		if _, err := signing.ParseKey(scheme, []byte("x")); err == nil {
			t.Errorf("ParseKey(%s) succeeded", scheme)
		}
		if _, err := signing.GenerateKey(scheme, rand.Reader); err == nil {
			t.Errorf("GenerateKey(%s) succeeded", scheme)
		}
	}
}

func TestParseKey_SeedAndPairAreOneKey(t *testing.T) {
	t.Parallel()
	seed := bytes.Repeat([]byte{9}, ed25519.SeedSize)
	a := mustParse(t, signing.StandardWebhooksEd25519, private(seed))
	b := mustParse(t, signing.StandardWebhooksEd25519, private(ed25519.NewKeyFromSeed(seed)))
	if !a.Equal(b) || a.ID() != b.ID() || a.PublicKey() != b.PublicKey() {
		t.Error("a seed and its pair are different keys")
	}
}

func TestGenerateKey_ParsesBack(t *testing.T) {
	t.Parallel()
	for _, scheme := range []signing.Scheme{
		signing.StandardWebhooks, signing.StandardWebhooksEd25519, signing.HMACHex, signing.GitHub,
	} {
		encoded, err := signing.GenerateKey(scheme, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		key := mustParse(t, scheme, string(encoded))
		other := mustParse(t, scheme, string(encoded)+"\n")
		if !key.Equal(other) || key.ID() != other.ID() || len(key.ID()) != 12 {
			t.Errorf("%s: the same key parsed twice differs: %s, %s", scheme, key.ID(), other.ID())
		}
		another, err := signing.GenerateKey(scheme, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if different := mustParse(t, scheme, string(another)); key.Equal(different) || key.ID() == different.ID() {
			t.Errorf("%s: two generated keys are the same", scheme)
		}
	}
}

func TestGenerateKey_ShortRandomness(t *testing.T) {
	t.Parallel()
	_, err := signing.GenerateKey(signing.GitHub, strings.NewReader("too short"))
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error = %v, want io.ErrUnexpectedEOF", err)
	}
}

func TestScheme_KeyForm(t *testing.T) {
	t.Parallel()
	want := map[signing.Scheme]string{
		signing.StandardWebhooks: "symmetric", signing.HMACHex: "symmetric", signing.GitHub: "symmetric",
		signing.StandardWebhooksEd25519: "ed25519", signing.None: "", "Other": "",
	}
	for scheme, form := range want {
		if got := scheme.KeyForm(); got != form {
			t.Errorf("%s.KeyForm() = %q, want %q", scheme, got, form)
		}
	}
}

func TestKey_NeverPrints(t *testing.T) {
	t.Parallel()
	const secret = "It's a Secret to Everybody"
	key := mustParse(t, signing.GitHub, secret)
	type holder struct {
		hidden signing.Key
		Shown  signing.Key
	}
	h := holder{key, key}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("Logged key", "key", key, "holder", h)
	slog.New(slog.NewTextHandler(&log, nil)).Info("Logged key", "key", key, "holder", h)
	encoded, err := json.Marshal(map[string]any{"key": key, "holder": h})
	if err != nil {
		t.Fatal(err)
	}
	printed := []string{log.String(), string(encoded), key.String(), key.GoString(), string(mustText(t, key))}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		printed = append(printed, fmt.Sprintf(verb, key), fmt.Sprintf(verb, &key), fmt.Sprintf(verb, h), fmt.Sprintf(verb, []signing.Key{key}))
	}
	for _, s := range printed {
		for _, form := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), "73 32 97"} {
			if strings.Contains(s, form) {
				t.Errorf("the key shows in %s", s)
			}
		}
	}
}

// mustText returns the key's text form.
func mustText(t *testing.T, k signing.Key) []byte {
	t.Helper()
	text, err := k.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestKey_ZeroIsNoKey(t *testing.T) {
	t.Parallel()
	var zero signing.Key
	if !zero.IsZero() || zero.ID() != "" || zero.PublicKey() != "" || !zero.Equal(signing.Key{}) {
		t.Error("the zero Key is a key")
	}
	if key := mustParse(t, signing.GitHub, "x"); zero.Equal(key) || key.Equal(zero) {
		t.Error("the zero Key equals a key")
	}
}

func FuzzParseKey(f *testing.F) {
	schemes := []signing.Scheme{
		signing.StandardWebhooks, signing.StandardWebhooksEd25519, signing.HMACHex, signing.GitHub, signing.None,
	}
	for i := range schemes {
		f.Add(i, []byte(symmetric(32)))
		f.Add(i, []byte(private(make([]byte, 32))))
		f.Add(i, []byte("raw\n"))
	}
	f.Fuzz(func(t *testing.T, i int, raw []byte) {
		scheme := schemes[uint(i)%uint(len(schemes))]
		key, err := signing.ParseKey(scheme, raw)
		if err != nil {
			if len(raw) > 16 && strings.Contains(err.Error(), string(raw[8:])) {
				t.Errorf("the error quotes the key: %v", err)
			}
			return
		}
		if key.IsZero() {
			t.Fatal("no error and no key")
		}
		if _, err := signing.NewSigner(scheme, signing.Headers{}, []signing.Key{key}); err != nil {
			t.Errorf("a key that parsed does not sign: %v", err)
		}
	})
}
