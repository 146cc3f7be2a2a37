// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package egress

import "net/netip"

// Ranges of IPv6 whose addresses carry an IPv4 address.
var (
	nat64WellKnown = netip.MustParsePrefix("64:ff9b::/96")   // RFC 6052
	nat64Local     = netip.MustParsePrefix("64:ff9b:1::/48") // RFC 8215
	sixToFour      = netip.MustParsePrefix("2002::/16")      // RFC 3056
	teredo         = netip.MustParsePrefix("2001::/32")      // RFC 4380
	v4Compatible   = netip.MustParsePrefix("::/96")          // RFC 4291, deprecated
)

// nat64Positions are where RFC 6052, section 2.2, puts the four bytes of the IPv4 address for the
// prefix lengths that fit into 64:ff9b:1::/48: 48, 56, 64 and 96. Byte 8 is always skipped.
var nat64Positions = [][4]int{{6, 7, 9, 10}, {7, 9, 10, 11}, {9, 10, 11, 12}, {12, 13, 14, 15}}

// embedded returns the IPv4 addresses that an IPv6 address carries, and whether the way it does so is
// out of use. Without any, the address stands for itself.
func embedded(addr netip.Addr) (inner []netip.Addr, deprecated bool) {
	if addr.Is4() {
		return nil, false
	}
	b := addr.As16()
	switch {
	case nat64WellKnown.Contains(addr):
		return []netip.Addr{at(b, 12, 13, 14, 15)}, false
	case nat64Local.Contains(addr):
		return fromLocalNAT64(b), false
	case sixToFour.Contains(addr):
		return []netip.Addr{at(b, 2, 3, 4, 5)}, true
	case teredo.Contains(addr):
		return fromTeredo(b), true
	case v4Compatible.Contains(addr) && !addr.IsUnspecified() && !addr.IsLoopback():
		return []netip.Addr{at(b, 12, 13, 14, 15)}, true
	default:
		return nil, false
	}
}

// at returns the IPv4 address in the given bytes.
func at(b [16]byte, i, j, k, l int) netip.Addr {
	return netip.AddrFrom4([4]byte{b[i], b[j], b[k], b[l]})
}

// fromLocalNAT64 returns what an address under the local-use prefix may be translated to. The length of
// the prefix that the network uses is not known here, so each position counts; the ones that hold
// nothing but the zeros of another form (0.0.0.0/8) are left out, unless all do.
func fromLocalNAT64(b [16]byte) []netip.Addr {
	var inner []netip.Addr
	for _, p := range nat64Positions {
		if b[p[0]] != 0 {
			inner = append(inner, at(b, p[0], p[1], p[2], p[3]))
		}
	}
	if len(inner) == 0 {
		inner = append(inner, at(b, 12, 13, 14, 15))
	}
	return inner
}

// fromTeredo returns the server of a Teredo address and its client, whose bits are inverted. A client
// that is no ordinary address says nothing, since packets then go nowhere.
func fromTeredo(b [16]byte) []netip.Addr {
	server := at(b, 4, 5, 6, 7)
	client := netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]})
	if v := lookup(client); v.class == Unspecified || v.class == Reserved {
		return []netip.Addr{server}
	}
	return []netip.Addr{server, client}
}
