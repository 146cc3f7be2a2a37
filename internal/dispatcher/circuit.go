// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"time"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// circuitKey names a circuit: an endpoint's own, or that of a namespace's endpoints of one host.
type circuitKey struct {
	namespace, name string
	shared          bool
}

// stateKey is where the circuit's state is stored.
func (k circuitKey) stateKey() eventlog.StateKey {
	kind := stateCircuit
	if k.shared {
		kind = stateHost
	}
	return eventlog.StateKey{Kind: kind, Namespace: k.namespace, Name: k.name}
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
	// reported is the state that was last logged.
	reported breaker.State
}

// acquire asks whether a request may start now.
func (c *circuit) acquire(now time.Time) (bool, time.Duration) {
	if c == nil {
		return true, 0
	}
	return c.breaker.Acquire(now)
}

// report tells the circuit that let the task's request through what came of it.
func (t *task) report(v breaker.Verdict, now time.Time) {
	if c := t.circuit; c != nil {
		c.breaker.Record(v, now)
	}
}

// release tells the circuit that let the task through that no request was made, and lets the lanes
// behind it ask again. The caller holds the mutex.
func (d *Dispatcher) release(t *task, now time.Time) {
	c := t.circuit
	if c == nil {
		return
	}
	t.circuit = nil
	c.breaker.Release(now)
	if c.flows() {
		return
	}
	for l := range c.lanes {
		d.pump(l, now)
	}
}

// flows reports whether requests flow: while they do not, deliveries are parked.
func (c *circuit) flows() bool { return c == nil || c.breaker.State() == breaker.Closed }
