// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/access"
)

func TestIssuerOf_ReadsWhatATokenClaims(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		token, want string
	}{
		"a token with one audience":   {forge(`{"iss":"https://a.example.com","aud":"b"}`), "https://a.example.com"},
		"a token with many audiences": {forge(claims("https://a.example.com", "b", time.Now())), "https://a.example.com"},
		"a token without an issuer":   {forge(`{"aud":"b"}`), ""},
		"an issuer that is no string": {forge(`{"iss":1}`), ""},
		"no token":                    {"", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := access.IssuerOf(tc.token)
			if got != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("IssuerOf = %q, %v, want %q", got, err, tc.want)
			}
		})
	}
}

func FuzzIssuerOf(f *testing.F) {
	f.Add(forge(`{"iss":"https://a.example.com","aud":["b"],"exp":1}`))
	f.Add(forge(`{"iss":"a","exp":1e308}`))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		if issuer, err := access.IssuerOf(token); (err == nil) != (issuer != "") {
			t.Errorf("IssuerOf(%q) = %q, %v", token, issuer, err)
		}
	})
}
