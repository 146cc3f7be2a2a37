// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"

	"github.com/posthorn-dev/posthorn/internal/egress"
)

// guard resolves names and judges what they resolve to.
type guard struct {
	policy   atomic.Pointer[egress.Policy]
	resolver Resolver
}

// newGuard returns a guard; a nil policy admits public addresses alone, and a nil resolver is the
// system's.
func newGuard(p *egress.Policy, r Resolver) *guard {
	if p == nil {
		p = egress.DefaultPolicy()
	}
	if r == nil {
		r = systemResolver
	}
	g := &guard{resolver: r}
	g.policy.Store(p)
	return g
}

// resolve returns the addresses of a host that is to be dialled for the namespace, all of them judged,
// or the refusal. A host may be an address.
func (g *guard) resolve(ctx context.Context, namespace, host string) ([]netip.Addr, error) {
	addrs, err := g.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	if err := g.judge(namespace, host, addrs); err != nil {
		return nil, err
	}
	return addrs, nil
}

// judge judges the addresses of a host.
func (g *guard) judge(namespace, host string, addrs []netip.Addr) error {
	err := g.policy.Load().Check(namespace, addrs)
	if refusal, ok := errors.AsType[*egress.Refusal](err); ok {
		refusal.Host = host
		return refusal
	}
	if err != nil {
		return &resolveError{err}
	}
	return nil
}

// lookup returns the addresses of a host without judging them.
func (g *guard) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, ok := parseLiteral(host); ok {
		return []netip.Addr{addr.Unmap()}, nil
	}
	addrs, err := g.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, &resolveError{err}
	}
	for i, addr := range addrs {
		addrs[i] = addr.Unmap()
	}
	return addrs, nil
}
