// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/status"
)

// circuitMoved lets the lanes of a circuit act on what it was told. The caller holds the mutex.
func (d *Dispatcher) circuitMoved(c *circuit, now time.Time) {
	state := c.breaker.State()
	if state == breaker.Closed && state == c.reported {
		return
	}
	if state != breaker.Closed {
		for l := range c.lanes {
			d.parkQueue(l, func(*task) bool { return true }, now)
		}
	}
	d.announce(c)
	d.saveCircuit(c)
	for l := range c.lanes {
		d.touch(l)
		d.pump(l, now)
	}
	d.signalReport()
}

// probed announces a circuit that went half-open with the task that was chosen. The caller holds the mutex.
func (d *Dispatcher) probed(t *task) {
	if c := t.circuit; c != nil && c.breaker.State() != c.reported {
		d.announce(c)
		for l := range c.lanes {
			d.touch(l)
		}
	}
}

// announce logs and counts a circuit's new state, if it has one.
func (d *Dispatcher) announce(c *circuit) {
	state := c.breaker.State()
	if state == c.reported {
		return
	}
	snapshot := c.breaker.Snapshot()
	d.metrics.transition(state)
	d.logger.Info("Changed circuit", "namespace", c.key.namespace, "circuit", c.key.name,
		"from", string(c.reported), "to", string(state), "consecutiveFailures", snapshot.ConsecutiveFailures,
		"nextProbe", snapshot.NextProbe)
	c.reported = state
}

// touch marks a lane and what sends there for the next report.
func (d *Dispatcher) touch(l *lane) {
	l.dirty = true
	for s := range l.subs {
		s.dirty = true
	}
}

// saveCircuit has a circuit's state stored.
func (d *Dispatcher) saveCircuit(c *circuit) {
	d.changed[c.key.stateKey()] = encode(c.breaker.Snapshot())
}

// disable ends all that waits for an endpoint, and whatever comes for it, until its spec changes or
// it is enabled by annotation. The caller holds the mutex.
func (d *Dispatcher) disable(l *lane, e *delivery.Endpoint, reason string, now time.Time) {
	if l.disabled != nil || l.endpoint != e {
		return // already, or its spec has changed since the request was made
	}
	l.disabled = &disabled{now, reason, e.Generation, e.UID}
	d.logger.Warn("Disabled endpoint", "endpoint", l.name.String(), "reason", reason)
	d.saveEndpoint(l)
	d.touch(l)
	for l.queue.len() > 0 {
		d.kill(l.queue.take(), delivery.DeadEndpointDisabled, now)
	}
	d.signalReport()
	d.signalSweep()
}

// enable ends the disabling of an endpoint, with grace: what failed before does not count.
func (d *Dispatcher) enable(l *lane) {
	l.disabled, l.failingSince = nil, time.Time{}
	d.logger.Info("Enabled endpoint", "endpoint", l.name.String())
	d.saveEndpoint(l)
	d.touch(l)
}

// saveEndpoint has what an endpoint keeps stored.
func (d *Dispatcher) saveEndpoint(l *lane) {
	d.changed[eventlog.StateKey{Kind: stateEndpoint, Namespace: l.name.Namespace, Name: l.name.Name}] = encode(endpointState{l.disabled, l.failingSince, l.handled, l.gone})
}

// stateInterval is how often the small state that changed is stored, and countersInterval how often
// the figures are: a restart adds what the flushes since then hold, so they may be old.
const (
	stateInterval    = 50 * time.Millisecond
	countersInterval = 10 * time.Second
)

// countersKey is where the mark of the figures is stored.
var countersKey = eventlog.StateKey{Kind: stateCounters}

// stateLoop stores the small state that changed, and the figures.
func (d *Dispatcher) stateLoop() {
	var counted time.Time
	var flush uint64
	d.every(stateInterval, func(now time.Time) {
		if now.Sub(counted) >= countersInterval {
			counted = now
			flush = d.saveCounters(flush)
			d.saveUsage()
		}
		d.storeState()
		d.removeState()
	})
	d.saveCounters(flush)
	d.saveUsage()
	d.storeState()
}

// storeState stores the small state that changed. What fails is tried again at the next turn.
func (d *Dispatcher) storeState() {
	d.loading.Lock()
	defer d.loading.Unlock()
	ctx, cancel := context.WithTimeout(d.storing, storeTimeout)
	defer cancel()
	if err := d.storeChanged(ctx, nil); err != nil {
		d.logger.Warn("Failed to store state, trying again", "error", err)
	}
}

// storeChanged stores the small state that changed, and some more that wins over it. When it fails, what changed
// is kept for the next time. The caller holds loading, so that values are stored in the order in which they came
// to be.
func (d *Dispatcher) storeChanged(ctx context.Context, more map[eventlog.StateKey][]byte) error {
	d.mu.Lock()
	changed := d.changed
	d.changed = map[eventlog.StateKey][]byte{}
	d.mu.Unlock()
	all := maps.Clone(changed)
	maps.Copy(all, more)
	if len(all) == 0 {
		return nil
	}
	err := d.log.PutState(ctx, all)
	if err != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		maps.Copy(changed, d.changed) // newer values win
		d.changed = changed
	}
	return err
}

// CircuitView is one circuit as the HTTP API shows it.
type CircuitView struct {
	// Endpoint is the endpoint's name, and Host its host.
	Endpoint delivery.Name
	Host     string
	// Shared says that the circuit is that of all the namespace's endpoints of the host.
	Shared bool
	breaker.Snapshot
}

// Circuits lists the circuits of a namespace, or of all when it is empty, by endpoint.
func (d *Dispatcher) Circuits(namespace string) []CircuitView {
	d.mu.Lock()
	defer d.mu.Unlock()
	var views []CircuitView
	for name, l := range d.lanes {
		if l.circuit == nil || l.endpoint == nil || namespace != "" && name.Namespace != namespace {
			continue
		}
		views = append(views, CircuitView{name, l.endpoint.Host, l.circuit.key.shared, l.circuit.breaker.Snapshot()})
	}
	slices.SortFunc(views, func(a, b CircuitView) int {
		return a.Endpoint.Compare(b.Endpoint)
	})
	return views
}

// disabledReason is the reason as the status writer knows it.
func (x *disabled) disabledReason() status.DisabledReason {
	if x.Reason == disabledGone {
		return status.DisabledGone
	}
	return status.DisabledFailing
}
