// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package egress

import "net/netip"

// addressRange is one row of a table; the first row that contains an address decides.
type addressRange struct {
	prefix netip.Prefix
	verdict
}

// never is a row that no list opens.
func never(prefix string, c Class) addressRange {
	return addressRange{netip.MustParsePrefix(prefix), verdict{c, true}}
}

// listed is a row that is refused unless it is listed.
func listed(prefix string, c Class) addressRange {
	return addressRange{netip.MustParsePrefix(prefix), verdict{class: c}}
}

// rangesV4 holds what is not public of IPv4: the IANA special-purpose registry, and the addresses where
// clouds serve metadata outside 169.254.0.0/16.
var rangesV4 = []addressRange{
	never("0.0.0.0/8", Unspecified),
	never("169.254.169.254/32", Metadata), // AWS, Google Cloud, Azure, OpenStack and others
	never("169.254.170.2/32", Metadata),   // AWS ECS task credentials
	never("169.254.170.23/32", Metadata),  // AWS EKS pod identity
	never("168.63.129.16/32", Metadata),   // Azure platform (WireServer)
	never("100.100.100.200/32", Metadata), // Alibaba Cloud
	never("192.0.0.192/32", Metadata),     // Oracle Cloud
	never("169.254.0.0/16", LinkLocal),    // RFC 3927
	never("224.0.0.0/4", Multicast),       // RFC 5771
	never("240.0.0.0/4", Reserved),        // RFC 1112, the limited broadcast included
	listed("127.0.0.0/8", Loopback),       // RFC 1122
	listed("10.0.0.0/8", Private),         // RFC 1918
	listed("172.16.0.0/12", Private),      // RFC 1918
	listed("192.168.0.0/16", Private),     // RFC 1918
	listed("100.64.0.0/10", Private),      // RFC 6598, shared address space
	listed("192.0.0.0/24", Reserved),      // RFC 6890, IETF protocol assignments
	listed("192.0.2.0/24", Reserved),      // RFC 5737, documentation
	listed("198.51.100.0/24", Reserved),   // RFC 5737, documentation
	listed("203.0.113.0/24", Reserved),    // RFC 5737, documentation
	listed("198.18.0.0/15", Reserved),     // RFC 2544, benchmarking
	listed("192.88.99.0/24", Reserved),    // RFC 7526, 6to4 relays, deprecated
	listed("192.31.196.0/24", Reserved),   // RFC 7535, AS112
	listed("192.52.193.0/24", Reserved),   // RFC 7450, AMT
	listed("192.175.48.0/24", Reserved),   // RFC 7534, AS112
}

// rangesV6 is the same for IPv6. Only 2000::/3 is given out as global unicast; what no row names is
// reserved.
var rangesV6 = []addressRange{
	never("::/128", Unspecified),
	never("fd00:ec2::/32", Metadata),      // AWS: metadata, DNS, time, pod identity
	never("fd20:ce::/32", Metadata),       // Google Cloud
	never("fd00:42::42/128", Metadata),    // Scaleway
	never("fe80::/10", LinkLocal),         // RFC 4291
	never("ff00::/8", Multicast),          // RFC 4291
	listed("::1/128", Loopback),           // RFC 4291
	listed("fc00::/7", Private),           // RFC 4193
	listed("fec0::/10", Private),          // RFC 3879, site-local, deprecated
	listed("2001::/23", Reserved),         // RFC 2928, IETF protocol assignments
	listed("2001:db8::/32", Reserved),     // RFC 3849, documentation
	listed("3fff::/20", Reserved),         // RFC 9637, documentation
	listed("2620:4f:8000::/48", Reserved), // RFC 7534, AS112
	listed("2000::/3", Public),            // RFC 4291, global unicast
}
