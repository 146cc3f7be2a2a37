// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package egress

import (
	"fmt"
	"net/netip"
	"slices"
)

// Rules is what a platform configures. The zero Rules admit public addresses alone.
type Rules struct {
	// Allow lists ranges that every namespace may reach although they are not public. Listing a
	// range opens nothing in it that is never reachable.
	Allow []netip.Prefix
	// NamespaceAllow lists further ranges for single namespaces.
	NamespaceAllow map[string][]netip.Prefix
	// Cluster lists the cluster's own ranges (Services, pods, nodes), which count as private whatever
	// they are.
	Cluster []netip.Prefix
	// APIServer lists the addresses of the cluster's API server. Such an address is refused even
	// inside a range that is listed; a list opens it by naming it alone, as a /32 or /128.
	APIServer []netip.Addr
}

// Policy judges addresses by Rules. It is immutable and safe for concurrent use.
type Policy struct {
	allow     []netip.Prefix
	byTenant  map[string][]netip.Prefix
	cluster   []netip.Prefix
	apiServer map[netip.Addr]bool
}

// NewPolicy compiles rules. An error names the rule with a prefix or an address that is not valid.
func NewPolicy(r Rules) (*Policy, error) {
	p := &Policy{byTenant: make(map[string][]netip.Prefix), apiServer: make(map[netip.Addr]bool)}
	var err error
	if p.allow, err = normalize("allow", r.Allow); err != nil {
		return nil, err
	}
	if p.cluster, err = normalize("cluster", r.Cluster); err != nil {
		return nil, err
	}
	for namespace, prefixes := range r.NamespaceAllow {
		if p.byTenant[namespace], err = normalize("allow for namespace "+namespace, prefixes); err != nil {
			return nil, err
		}
	}
	for i, addr := range r.APIServer {
		if !addr.IsValid() {
			return nil, fmt.Errorf("egress rule API server: address %d is not valid", i)
		}
		p.apiServer[plain(addr)] = true
	}
	return p, nil
}

// normalize masks prefixes, and turns those of IPv4-mapped addresses into IPv4.
func normalize(rule string, prefixes []netip.Prefix) ([]netip.Prefix, error) {
	const mappedBits = 96
	out := make([]netip.Prefix, 0, len(prefixes))
	for i, p := range prefixes {
		if !p.IsValid() {
			return nil, fmt.Errorf("egress rule %s: prefix %d is not valid", rule, i)
		}
		if p.Addr().Is4In6() && p.Bits() >= mappedBits {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mappedBits)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// plain returns the address without zone, and as IPv4 where it is IPv4-mapped.
func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// Check judges all addresses that a name of a tenant resolved to, and returns a *Refusal when any of
// them may not be dialled, and ErrNoAddress when there are none. One bad address refuses the whole
// answer: whoever controls the name could have any of them dialled.
func (p *Policy) Check(namespace string, addrs []netip.Addr) error {
	if len(addrs) == 0 {
		return ErrNoAddress
	}
	for _, addr := range addrs {
		if c, ok := p.admits(namespace, addr); !ok {
			return &Refusal{Class: c, Addr: addr}
		}
	}
	return nil
}

// CheckService judges the address of a Service of the namespace that the operator resolved. It needs no
// listing, but what is never reachable is not reachable by a Service either, and the API server only
// where it is listed alone.
func (p *Policy) CheckService(namespace string, addr netip.Addr) error {
	if v := judge(addr); v.never {
		return &Refusal{Class: v.class, Addr: addr}
	}
	if is, listed := p.isAPIServer(namespace, forms(addr)); is && !listed {
		return &Refusal{Class: APIServer, Addr: addr}
	}
	return nil
}

// admits reports whether the namespace may reach the address, and its class.
func (p *Policy) admits(namespace string, addr netip.Addr) (Class, bool) {
	v := judge(addr)
	if v.never {
		return v.class, false
	}
	forms := forms(addr)
	if is, listed := p.isAPIServer(namespace, forms); is {
		return APIServer, listed
	}
	if containsAny(p.cluster, forms) {
		v.class = Cluster
	}
	if v.class == Public {
		return Public, true
	}
	return v.class, containsAny(p.allow, forms) || containsAny(p.byTenant[namespace], forms)
}

// forms returns the address and those that it carries: a rule for any of them is a rule for it.
func forms(addr netip.Addr) []netip.Addr {
	addr = plain(addr)
	inner, _ := embedded(addr)
	return append([]netip.Addr{addr}, inner...)
}

// isAPIServer reports whether any form of an address is the API server's, and whether the namespace may
// reach it there.
func (p *Policy) isAPIServer(namespace string, forms []netip.Addr) (is, listed bool) {
	for _, form := range forms {
		if p.apiServer[form] {
			return true, p.listedAlone(namespace, form)
		}
	}
	return false, false
}

// listedAlone reports whether a list names exactly this address.
func (p *Policy) listedAlone(namespace string, addr netip.Addr) bool {
	for _, list := range [][]netip.Prefix{p.allow, p.byTenant[namespace]} {
		for _, prefix := range list {
			if prefix.IsSingleIP() && prefix.Addr() == addr {
				return true
			}
		}
	}
	return false
}

// containsAny reports whether any of the prefixes contains any of the addresses.
func containsAny(prefixes []netip.Prefix, addrs []netip.Addr) bool {
	for _, prefix := range prefixes {
		if slices.ContainsFunc(addrs, prefix.Contains) {
			return true
		}
	}
	return false
}

// DefaultPolicy returns the Policy of the zero Rules, which admits public addresses alone.
func DefaultPolicy() *Policy { return &Policy{} }
