// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"time"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// circuitKey names a circuit: an endpoint's own, or that of a namespace's endpoints of one host.
type circuitKey struct {
	namespace, name string
	shared          bool
}

// keyOf is the circuit that an endpoint belongs to.
func keyOf(e *delivery.Endpoint) circuitKey {
	if e.ShareCircuit {
		return circuitKey{e.Name.Namespace, e.Host, true}
	}
	return circuitKey{e.Name.Namespace, e.Name.Name, false}
}

// circuit is a circuit breaker and the lanes that it stands in.
type circuit struct {
	key     circuitKey
	breaker *breaker.Breaker
	lanes   map[*lane]struct{}
	// reported is the state that was last logged and stored.
	reported breaker.State
}

// acquire asks whether a request may start now.
func (c *circuit) acquire(now time.Time) (bool, time.Duration) {
	if c == nil {
		return true, 0
	}
	return c.breaker.Acquire(now)
}

// flows reports whether requests flow: while they do not, deliveries are parked.
func (c *circuit) flows() bool { return c == nil || c.breaker.State() == breaker.Closed }
