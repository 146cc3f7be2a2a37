// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package egress_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"code.dny.dev/ssrf"

	"github.com/posthorn-dev/posthorn/internal/egress"
)

// FuzzPolicy_NoLaxerThanSSRF holds the strict policy against an independent guard: what that refuses must
// be refused here. Ports are not our concern, so the guard admits them all. It judges NAT64 by its prefix
// alone where we look into the address, and so has no say there.
func FuzzPolicy_NoLaxerThanSSRF(f *testing.F) {
	guard := ssrf.New(ssrf.WithAnyPort())
	strict := egress.DefaultPolicy()
	ours := []netip.Prefix{netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48")}
	for _, text := range []string{
		"8.8.8.8", "10.0.0.1", "192.0.0.9", "192.88.99.1", "2001:4860::1", "2001:1::1", "2002::1", "3fff::1",
		"::ffff:8.8.8.8", "64:ff9b::1", "5f00::1", "2620:4f:8000::1", "fe80::1",
	} {
		addr := netip.MustParseAddr(text).As16()
		f.Add(binary.BigEndian.Uint64(addr[:8]), binary.BigEndian.Uint64(addr[8:]))
	}
	f.Fuzz(func(t *testing.T, high, low uint64) {
		var b [16]byte
		binary.BigEndian.PutUint64(b[:8], high)
		binary.BigEndian.PutUint64(b[8:], low)
		for _, addr := range []netip.Addr{netip.AddrFrom16(b), netip.AddrFrom4([4]byte(b[12:]))} {
			network := "tcp6"
			if addr = addr.Unmap(); addr.Is4() {
				network = "tcp4"
			}
			if ours[0].Contains(addr) || ours[1].Contains(addr) {
				continue
			}
			second := guard.Safe(network, netip.AddrPortFrom(addr, 443).String(), nil)
			if second != nil && admits(strict, addr) {
				t.Errorf("%s is admitted, and the second opinion is: %v", addr, second)
			}
		}
	})
}

func BenchmarkPolicy_Check(b *testing.B) {
	p := mustPolicy(b, egress.Rules{Cluster: prefixes("10.96.0.0/12"), APIServer: addrs("10.96.0.1")})
	answer := addrs("93.184.216.34", "2606:2800:220:1::1")
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Check(namespace, answer); err != nil {
			b.Fatal(err)
		}
	}
}
