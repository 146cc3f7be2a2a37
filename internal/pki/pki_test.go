// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/pki"
)

var (
	names = []string{"posthorn.posthorn-system.svc", "posthorn.posthorn-system"}
	now   = time.Date(2026, time.November, 24, 12, 0, 0, 0, time.UTC)
)

// authority returns one that was made at the time.
func authority(t *testing.T, at time.Time) *pki.Authority {
	t.Helper()
	var a pki.Authority
	if changed, err := a.Renew(at); err != nil || !changed {
		t.Fatalf("made an authority: changed %t, error %v", changed, err)
	}
	return &a
}

// verify checks a pair against a bundle, as a client does that connects to the name.
func verify(t *testing.T, p pki.Pair, bundle []byte, name string, at time.Time) error {
	t.Helper()
	keyPair, err := tls.X509KeyPair(p.Certificate, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		t.Fatal("the bundle holds no certificate")
	}
	_, err = keyPair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: at})
	return err
}

func TestAuthority_IssuesWhatItsBundleVerifies(t *testing.T) {
	a := authority(t, now)
	p, err := a.Issue(names, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := verify(t, p, a.Bundle(now), name, now); err != nil {
			t.Errorf("verify %s: %v", name, err)
		}
	}
	if verify(t, p, a.Bundle(now), "elsewhere.svc", now) == nil {
		t.Error("verified a name that was not asked for")
	}
	if verify(t, p, authority(t, now).Bundle(now), names[0], now) == nil {
		t.Error("verified by another authority")
	}
}

func TestServes_SaysWhenACertificateIsToBeRenewed(t *testing.T) {
	a := authority(t, now)
	p, err := a.Issue(names, now)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		authority *pki.Authority
		pair      pki.Pair
		names     []string
		at        time.Time
		want      bool
	}{
		"a fresh one":                    {a, p, names, now, true},
		"one that has 31 days left":      {a, p, names, now.Add(pki.CertificateLife - pki.RenewBefore - 24*time.Hour), true},
		"one that has 30 days left":      {a, p, names, now.Add(pki.CertificateLife - pki.RenewBefore), false},
		"one for other names":            {a, p, names[:1], now, false},
		"one of another authority":       {authority(t, now), p, names, now, false},
		"one with the key of another":    {a, pki.Pair{Certificate: p.Certificate, Key: a.Current.Key}, names, now, false},
		"none":                           {a, pki.Pair{}, names, now, false},
		"something that is not readable": {a, pki.Pair{Certificate: []byte("x"), Key: []byte("y")}, names, now, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.authority.Serves(tt.pair, tt.names, tt.at); got != tt.want {
				t.Errorf("serves is %t, want %t", got, tt.want)
			}
		})
	}
}

func TestRenew_AnnouncesASuccessorBeforeItSigns(t *testing.T) {
	a := authority(t, now)
	first := a.Current
	end := now.Add(pki.AuthorityLife)
	steps := []struct {
		name             string
		at               time.Time
		changed, sameKey bool
		trusted          int
	}{
		{"at first", now, false, true, 1},
		{"a day before the announcement", end.Add(-pki.AnnounceBefore - 24*time.Hour), false, true, 1},
		{"at the announcement", end.Add(-pki.AnnounceBefore), true, true, 2},
		{"after it", end.Add(-pki.AnnounceBefore + time.Hour), false, true, 2},
		{"at the switch", end.Add(-pki.SwitchBefore), true, false, 2},
		{"after it", end.Add(-pki.SwitchBefore + time.Hour), false, false, 2},
		{"at the end of the first", end.Add(time.Second), false, false, 1},
	}
	for _, s := range steps {
		before := a.Bundle(s.at)
		changed, err := a.Renew(s.at)
		if err != nil || changed != s.changed {
			t.Fatalf("%s: changed %t (%v), want %t", s.name, changed, err, s.changed)
		}
		if same := bytes.Equal(a.Current.Key, first.Key); same != s.sameKey {
			t.Errorf("%s: the first authority signs: %t, want %t", s.name, same, s.sameKey)
		}
		if got := bytes.Count(a.Bundle(s.at), []byte("BEGIN CERTIFICATE")); got != s.trusted {
			t.Errorf("%s: %d authorities are trusted, want %d", s.name, got, s.trusted)
		}
		p, err := a.Issue(names, s.at)
		if err != nil {
			t.Fatal(err)
		}
		if s.name == "at the switch" {
			if err := verify(t, p, before, names[0], s.at); err != nil {
				t.Errorf("who copied the bundle before the switch does not trust what is signed after it: %v", err)
			}
		}
	}
}

func TestRenew_ReplacesAnAuthorityThatCannotBeUsed(t *testing.T) {
	damaged := *authority(t, now)
	damaged.Current.Key = []byte("nonsense")
	for name, a := range map[string]*pki.Authority{
		"damaged": &damaged,
		"expired": authority(t, now.Add(-pki.AuthorityLife-time.Hour)),
	} {
		t.Run(name, func(t *testing.T) {
			if changed, err := a.Renew(now); err != nil || !changed {
				t.Fatalf("changed %t, error %v", changed, err)
			}
			p, err := a.Issue(names, now)
			if err != nil {
				t.Fatal(err)
			}
			if err := verify(t, p, a.Bundle(now), names[0], now); err != nil {
				t.Error(err)
			}
		})
	}
}
