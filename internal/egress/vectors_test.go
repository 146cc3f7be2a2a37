// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package egress_test

import (
	"encoding/json"
	"net/netip"
	"os"
	"testing"

	"github.com/posthorn-dev/posthorn/internal/egress"
)

const namespace = "team-a"

// everything is a list that admits all there is to admit, but for what must be listed alone.
var everything = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

// vectors are the addresses that the guard is held against.
type vectors struct {
	Never               []netip.Addr `json:"never"`
	RefusedUnlessListed []netip.Addr `json:"refusedUnlessListed"`
	Allowed             []netip.Addr `json:"allowed"`
}

// loadVectors reads the vectors.
func loadVectors(t *testing.T) vectors {
	t.Helper()
	raw, err := os.ReadFile("testdata/egress.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Never) == 0 || len(v.RefusedUnlessListed) == 0 || len(v.Allowed) == 0 {
		t.Fatal("a list of vectors is empty")
	}
	return v
}

// mustPolicy makes a Policy.
func mustPolicy(t testing.TB, r egress.Rules) *egress.Policy {
	t.Helper()
	p, err := egress.NewPolicy(r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// admits reports whether the policy lets the namespace reach the address.
func admits(p *egress.Policy, addr netip.Addr) bool {
	return p.Check(namespace, []netip.Addr{addr}) == nil
}

// alone is the prefix that names one address, in the plainest form.
func alone(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	return netip.PrefixFrom(addr, addr.BitLen())
}

func TestPolicy_Vectors(t *testing.T) {
	t.Parallel()
	v := loadVectors(t)
	strict, open := mustPolicy(t, egress.Rules{}), mustPolicy(t, egress.Rules{Allow: everything})
	for _, addr := range v.Never {
		listed := mustPolicy(t, egress.Rules{
			Allow:          append([]netip.Prefix{alone(addr)}, everything...),
			NamespaceAllow: map[string][]netip.Prefix{namespace: {alone(addr)}},
			Cluster:        everything,
		})
		if admits(strict, addr) || admits(open, addr) || admits(listed, addr) {
			t.Errorf("%s is reachable, and never should be", addr)
		}
	}
	for _, addr := range v.RefusedUnlessListed {
		global := mustPolicy(t, egress.Rules{Allow: []netip.Prefix{alone(addr)}})
		tenant := mustPolicy(t, egress.Rules{NamespaceAllow: map[string][]netip.Prefix{namespace: {alone(addr)}}})
		other := mustPolicy(t, egress.Rules{NamespaceAllow: map[string][]netip.Prefix{"team-b": {alone(addr)}}})
		if admits(strict, addr) || admits(other, addr) {
			t.Errorf("%s is reachable without being listed", addr)
		}
		if !admits(open, addr) || !admits(global, addr) || !admits(tenant, addr) {
			t.Errorf("%s is not reachable although it is listed", addr)
		}
	}
	for _, addr := range v.Allowed {
		if !admits(strict, addr) {
			t.Errorf("%s is refused", addr)
		}
	}
}
