// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package egress

import "net/netip"

// Class says what kind of address one is. It is what users are told instead of the address.
type Class string

// The classes. Some are never reachable, whatever is listed: unspecified, link-local, metadata,
// multicast and invalid; the others but public are refused unless listed.
const (
	// Public addresses are reachable by default.
	Public Class = "public"
	// Loopback is 127.0.0.0/8 and ::1.
	Loopback Class = "loopback"
	// Private is RFC 1918, shared address space (100.64.0.0/10), unique local (fc00::/7) and
	// site-local addresses (fec0::/10).
	Private Class = "private"
	// Reserved addresses are for documentation, benchmarking, protocols and future use. Those of
	// 240.0.0.0/4 are never reachable.
	Reserved Class = "reserved"
	// LinkLocal is 169.254.0.0/16 and fe80::/10; never reachable.
	LinkLocal Class = "link-local"
	// Metadata addresses are those where clouds serve credentials and platform services; never
	// reachable.
	Metadata Class = "metadata"
	// Multicast is 224.0.0.0/4 and ff00::/8; never reachable.
	Multicast Class = "multicast"
	// Unspecified is 0.0.0.0/8 and ::, which mean this host or network; never reachable.
	Unspecified Class = "unspecified"
	// Cluster addresses are in the ranges that the platform named as its own.
	Cluster Class = "cluster"
	// APIServer is an address of the cluster's API server; refused unless listed alone.
	APIServer Class = "api-server"
	// Invalid is the class of the zero netip.Addr; never reachable.
	Invalid Class = "invalid"
)

// Classify returns the class of the address by itself: Cluster and APIServer depend on a Policy, and
// are not returned. Addresses that carry an IPv4 address (IPv4-mapped, NAT64 of RFC 6052 and RFC 8215,
// 6to4, Teredo, IPv4-compatible) are judged by what they carry. Of these the ones that no network
// uses any more (6to4, Teredo, IPv4-compatible) are Reserved even where that would be public.
func Classify(addr netip.Addr) Class { return judge(addr).class }

// verdict is what is known about an address: its class, and whether a list can open it.
type verdict struct {
	class Class
	never bool
}

// judge returns the verdict on one address.
func judge(addr netip.Addr) verdict {
	if !addr.IsValid() {
		return verdict{Invalid, true}
	}
	// Prefixes never contain an address with a zone, so a zone would slip through them all.
	addr = addr.Unmap().WithZone("")
	own := lookup(addr)
	inner, deprecated := embedded(addr)
	if len(inner) == 0 {
		return own
	}
	worst := verdict{class: Public}
	for _, a := range inner {
		if v := lookup(a); worse(v, worst) {
			worst = v
		}
	}
	if worst.class == Public && deprecated {
		return verdict{class: Reserved}
	}
	return worst
}

// worse reports whether a forbids more than b.
func worse(a, b verdict) bool {
	if a.never != b.never {
		return a.never
	}
	return b.class == Public && a.class != Public
}

// lookup finds the first range that contains the address, without looking into it.
func lookup(addr netip.Addr) verdict {
	ranges, other := rangesV6, verdict{class: Reserved}
	if addr.Is4() {
		ranges, other = rangesV4, verdict{class: Public}
	}
	for i := range ranges {
		if ranges[i].prefix.Contains(addr) {
			return ranges[i].verdict
		}
	}
	return other
}
