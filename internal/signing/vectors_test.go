// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package signing_test

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/signing"
)

// vector is one published signature.
type vector struct {
	Secret     string `json:"secret"`
	PrivateKey string `json:"privateKey"`
	PublicKey  string `json:"publicKey"`
	ID         string `json:"id"`
	Timestamp  int64  `json:"timestamp"`
	Body       string `json:"body"`
	Signature  string `json:"signature"`
	Valid      bool   `json:"valid"`
}

// loadVectors reads the published vectors of the schemes that sign here.
func loadVectors(t *testing.T) map[signing.Scheme][]vector {
	t.Helper()
	raw, err := os.ReadFile("testdata/signatures.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		StandardWebhooks        []vector `json:"standardWebhooks"`
		StandardWebhooksEd25519 []vector `json:"standardWebhooksEd25519"`
		GitHub                  []vector `json:"github"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	return map[signing.Scheme][]vector{
		signing.StandardWebhooks:        file.StandardWebhooks,
		signing.StandardWebhooksEd25519: file.StandardWebhooksEd25519,
		signing.GitHub:                  file.GitHub,
	}
}

func TestSigner_PublishedVectors(t *testing.T) {
	t.Parallel()
	for scheme, vectors := range loadVectors(t) {
		if len(vectors) == 0 {
			t.Errorf("no vectors for %s", scheme)
		}
		for i, v := range vectors {
			key := mustParse(t, scheme, v.Secret+v.PrivateKey)
			if key.PublicKey() != v.PublicKey {
				t.Errorf("%s %d: PublicKey() = %q, want %q", scheme, i, key.PublicKey(), v.PublicKey)
			}
			s := mustSigner(t, scheme, signing.Headers{}, key)
			h := http.Header{}
			s.Sign(h, v.ID, time.Unix(v.Timestamp, 0), []byte(v.Body))
			// A vector may hold several signatures, of which one must be ours.
			names := s.HeaderNames()
			got := h.Get(names[len(names)-1])
			if valid := slices.Contains(strings.Fields(v.Signature), got); valid != v.Valid {
				t.Errorf("%s %d: signed %q; in %q: %t, want %t", scheme, i, got, v.Signature, valid, v.Valid)
			}
		}
	}
}

// mustParse parses a key.
func mustParse(t testing.TB, scheme signing.Scheme, raw string) signing.Key {
	t.Helper()
	key, err := signing.ParseKey(scheme, []byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// mustSigner makes a Signer.
func mustSigner(t testing.TB, scheme signing.Scheme, h signing.Headers, keys ...signing.Key) *signing.Signer {
	t.Helper()
	s, err := signing.NewSigner(scheme, h, keys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
