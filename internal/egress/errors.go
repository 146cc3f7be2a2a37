// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package egress

import (
	"errors"
	"net/netip"
	"strings"
)

// ErrNoAddress is returned by Check for a name that resolved to nothing.
var ErrNoAddress = errors.New("the name has no address")

// Refusal is the error of a destination that may not be dialled. Its message is for the tenant: it
// names the class of the address, and never the address, since names must not become a map of the
// network.
type Refusal struct {
	// Class is that of the first address that was refused.
	Class Class
	// Host is the destination's host as the tenant wrote it; empty where only addresses are known.
	Host string
	// Addr is that address. It is for the platform's own log, and no part of the message.
	Addr netip.Addr
}

// Error says what class was refused and what helps.
func (r *Refusal) Error() string {
	host := r.Host
	if host == "" {
		host = "the destination"
	}
	s := host + " has " + article(r.Class) + " address, which "
	if r.serviceLike() {
		return s + "may not be reached by URL; use serviceRef to send to a Service of this namespace"
	}
	if neverClasses[r.Class] {
		return s + "is never allowed"
	}
	return s + "the platform does not allow"
}

// neverClasses are the classes of which no address is ever reachable.
var neverClasses = map[Class]bool{
	LinkLocal: true, Metadata: true, Multicast: true, Unspecified: true, Invalid: true,
}

// serviceLike reports whether the tenant may have meant a Service: the address is the cluster's own, or
// the name is one that only a cluster resolves.
func (r *Refusal) serviceLike() bool {
	if neverClasses[r.Class] || r.Class == APIServer {
		return false
	}
	host, _, _ := strings.Cut(strings.TrimSuffix(r.Host, "."), ":")
	return r.Class == Cluster || strings.HasSuffix(host, ".svc") || strings.Contains(host, ".svc.")
}

// article returns the class as a phrase: "a private", "an invalid", "a link-local".
func article(c Class) string {
	switch c {
	case Unspecified, Invalid:
		return "an " + string(c)
	case APIServer:
		return "the API server's"
	case Cluster:
		return "a cluster-internal"
	default:
		return "a " + string(c)
	}
}
