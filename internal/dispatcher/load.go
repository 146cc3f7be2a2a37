// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/routing"
)

// Load takes over a routing table. A subscription that is new begins behind the last event of this
// moment, and its position is stored before it counts as routed. Load is called whenever the
// resources change; calls are taken one after the other.
func (d *Dispatcher) Load(ctx context.Context, u routing.Update) error {
	d.loading.Lock()
	defer d.loading.Unlock()
	last, err := d.log.LastEvent(ctx)
	if err != nil {
		return fmt.Errorf("read last event: %w", err)
	}
	d.mu.Lock()
	now := time.Now()
	d.loadEndpoints(u, now)
	d.loadSubscriptions(u, now)
	begun := d.newPositions(last)
	d.mu.Unlock()

	positions := make(map[eventlog.StateKey][]byte, len(begun))
	for name, p := range begun {
		positions[positionKey(name)] = encode(p)
	}

	if err := d.storeChanged(ctx, positions); err != nil {
		return fmt.Errorf("store start positions: %w", err)
	}

	d.mu.Lock()
	defer d.mu.Unlock()
	for name, p := range begun {
		d.restored.positions[name] = p
		s := d.subs[name]
		s.positioned, s.dirty = true, true // a report since the table was taken over did not call it routed
		d.logger.Info("Began subscription", "subscription", name.String(), "position", p.Start)
	}
	d.swap(u.Table)
	for _, l := range d.lanes {
		d.pump(l, now)
	}
	d.signalReport()
	return nil
}

// swap has events matched by the table from now on. The caller holds the mutex.
func (d *Dispatcher) swap(table *routing.Table) {
	before := d.table
	d.table = table
	if before == nil {
		close(d.loaded)
		return // nothing has been reported yet
	}
	for spec := range table.Subscriptions() {
		if before.Subscription(spec.Name) != spec {
			d.subs[spec.Name].dirty = true // a report meanwhile spoke of the spec before
		}
	}
}

// sub is the state of a subscription by name; it is made when there is none. The caller holds the
// mutex, or is alone.
func (d *Dispatcher) sub(name delivery.Name) *subscription {
	s := d.subs[name]
	if s == nil {
		s = &subscription{name: name, gone: time.Now()}
		if known := d.restored.positions[name]; !known.Gone.IsZero() {
			s.gone = known.Gone // the hold goes on
		}
		d.subs[name] = s
	}
	return s
}

// laneOf is the lane of an endpoint by name; it is made when there is none. The caller holds the
// mutex, or is alone.
func (d *Dispatcher) laneOf(name delivery.Name) *lane {
	l := d.lanes[name]
	if l == nil {
		l = &lane{
			name: name, gone: time.Now(),
			held: map[*subscription][]waiting{}, subs: map[*subscription]struct{}{},
		}
		if state, ok := d.restored.endpoints[name]; ok {
			l.disabled, l.failingSince, l.handled = state.Disabled, state.FailingSince, state.HandledEnable
			l.seen = true
			if !state.Gone.IsZero() {
				l.gone = state.Gone // the hold goes on
			}
		}
		d.lanes[name] = l
	}
	return l
}

// attach makes a lane the subscription's own.
func (d *Dispatcher) attach(s *subscription, l *lane) {
	if s.lane != nil {
		delete(s.lane.subs, s)
		s.lane.dirty = true
	}
	s.lane = l
	l.subs[s] = struct{}{}
}

// loadEndpoints takes over the endpoints of a table.
func (d *Dispatcher) loadEndpoints(u routing.Update, now time.Time) {
	present := map[delivery.Name]struct{}{}
	for e := range u.Table.Endpoints() {
		present[e.Name] = struct{}{}
		l := d.laneOf(e.Name)
		if l.endpoint != e {
			d.changeEndpoint(l, e, now)
		}
	}
	for _, i := range u.Invalid {
		if i.Kind == kindEndpoint {
			present[i.Name] = struct{}{}
			l := d.laneOf(i.Name)
			d.found(l)
			l.invalid = &notRouted{i.UID, i.Generation, i.Reason, i.Message}
			l.endpoint, l.dirty = nil, true
		}
	}
	for name, l := range d.lanes {
		if _, ok := present[name]; !ok && (l.endpoint != nil || l.invalid != nil) {
			l.endpoint, l.invalid, l.gone = nil, nil, now
			d.saveEndpoint(l)
			d.opts.Sender.Forget(name)
			d.opts.Reporter.ForgetEndpoint(name)
			d.logger.Info("Lost endpoint, holding its deliveries", "endpoint", name.String(), "hold", d.opts.Hold)
		}
		if l.endpoint == nil || l.endpoint.Suspended {
			d.parkQueue(l, func(*task) bool { return true }, now)
		}
	}
}

// found ends the hold of an endpoint that was gone.
func (d *Dispatcher) found(l *lane) {
	again := l.seen && !l.gone.IsZero()
	l.seen, l.gone = true, time.Time{}
	if again {
		d.saveEndpoint(l)
	}
}

// changeEndpoint takes over a new endpoint, or a new spec of one.
func (d *Dispatcher) changeEndpoint(l *lane, e *delivery.Endpoint, now time.Time) {
	before := l.endpoint
	d.found(l)
	l.configure(e)
	l.dirty, l.destinationChecked = true, false
	d.joinCircuit(l, e, now)
	asked := e.Enable != "" && e.Enable != l.handled // taking the annotation away asks for nothing
	if x := l.disabled; x != nil && (asked || x.Generation != e.Generation || x.UID != e.UID) {
		d.enable(l)
	}
	if asked {
		l.handled = e.Enable
		d.saveEndpoint(l)
	}
	if before != nil && before.Revision != e.Revision {
		d.opts.Sender.Forget(e.Name)
	}
	// A grant that was given or taken back moves what waits for it.
	for s := range l.subs {
		d.rehome(s, l, now)
	}
}

// joinCircuit puts the lane behind the circuit that its spec asks for.
func (d *Dispatcher) joinCircuit(l *lane, e *delivery.Endpoint, now time.Time) {
	key := keyOf(e)
	if l.circuit != nil {
		if l.circuit.key == key {
			l.circuit.breaker.Configure(e.Breaker)
			return
		}
		delete(l.circuit.lanes, l)
	}
	c := d.circuits[key]
	if c == nil {
		c = &circuit{key: key, lanes: map[*lane]struct{}{}, breaker: breaker.New(e.Breaker, now)}
		if snapshot, ok := d.restored.circuits[key]; ok {
			c.breaker = breaker.Restore(e.Breaker, snapshot, now)
			delete(d.restored.circuits, key) // from here on the circuit knows better
		}
		c.reported = c.breaker.State()
		d.circuits[key] = c
	}
	c.lanes[l] = struct{}{}
	l.circuit = c
}

// loadSubscriptions takes over the subscriptions of a table.
func (d *Dispatcher) loadSubscriptions(u routing.Update, now time.Time) {
	present := map[delivery.Name]struct{}{}
	for spec := range u.Table.Subscriptions() {
		present[spec.Name] = struct{}{}
		s := d.sub(spec.Name)
		if s.spec == spec {
			continue
		}
		if s.uid != "" && s.uid != spec.UID {
			s.positioned = false // another object of the same name begins anew
		}
		s.spec, s.invalid, s.dirty = spec, nil, true
		d.mark(s, time.Time{})
		l := d.laneOf(spec.Endpoint)
		from := s.lane
		if from != l {
			d.attach(s, l)
		}
		if from == nil {
			from = l
		}
		d.rehome(s, from, now)
	}
	for _, i := range u.Invalid {
		if i.Kind == kindSubscription {
			present[i.Name] = struct{}{}
			s := d.sub(i.Name)
			s.invalid = &notRouted{i.UID, i.Generation, i.Reason, i.Message}
			s.dirty = true
			d.mark(s, time.Time{})
			d.withdraw(s, now)
		}
	}
	for name, s := range d.subs {
		if _, ok := present[name]; !ok && (s.spec != nil || s.invalid != nil) {
			s.invalid = nil
			d.mark(s, now)
			d.withdraw(s, now)
			d.opts.Reporter.ForgetSubscription(name)
			d.logger.Info("Lost subscription, holding its deliveries", "subscription", name.String(), "hold", d.opts.Hold)
		}
	}
}

// mark notes since when a subscription is gone; the zero time when it is there. What is noted of one that has a
// position outlives a restart.
func (d *Dispatcher) mark(s *subscription, gone time.Time) {
	s.gone = gone
	if p, ok := d.restored.positions[s.name]; ok && !p.Gone.Equal(gone) {
		p.Gone = gone
		d.restored.positions[s.name] = p
		d.changed[positionKey(s.name)] = encode(p)
	}
}

// positionKey is where the position of a subscription is stored.
func positionKey(name delivery.Name) eventlog.StateKey {
	return eventlog.StateKey{Kind: statePosition, Namespace: name.Namespace, Name: name.Name}
}

// withdraw takes a subscription's spec away: what waits for it is held.
func (d *Dispatcher) withdraw(s *subscription, now time.Time) {
	if s.spec == nil {
		return
	}
	s.spec = nil
	d.rehome(s, s.lane, now)
}

// rehome moves what a subscription has waiting to where its spec wants it now.
func (d *Dispatcher) rehome(s *subscription, from *lane, now time.Time) {
	mine := func(w waiting) bool { return w.sub == s && !w.isDeadLetter() }
	moved := append(from.backlog.extract(mine), from.held[s]...)
	delete(from.held, s)
	if s.holds() || from != s.lane {
		d.parkQueue(from, func(t *task) bool { return t.sub == s }, now)
	}
	for _, w := range moved {
		d.shelveAt(s.lane, w)
	}
}

// parkQueue stores the queued tasks that match.
func (d *Dispatcher) parkQueue(l *lane, match func(*task) bool, now time.Time) {
	if l.queue.len() == 0 {
		return
	}
	for _, t := range l.queue.extract(match) {
		t.lane = t.sub.lane
		d.park(t, now)
	}
}

// newPositions gives every subscription that can be routed and has no position one. The caller stores
// them before they count.
func (d *Dispatcher) newPositions(last uint64) map[delivery.Name]position {
	begun := map[delivery.Name]position{}
	for name, s := range d.subs {
		if s.spec == nil || s.positioned {
			continue
		}
		if known, ok := d.restored.positions[name]; ok && known.UID == s.spec.UID {
			s.start, s.uid, s.positioned, s.dirty = known.Start, known.UID, true, true
			d.miss(s.lane)
			continue
		}
		if s.lane.endpoint == nil || !s.lane.endpoint.AdmitsNamespace(name.Namespace) {
			continue // it begins when it can be routed
		}
		p := position{UID: s.spec.UID, Start: last}
		s.start, s.uid = p.Start, p.UID
		begun[name] = p
	}
	return begun
}

// miss begins the hold of an endpoint that an earlier run had, by the position of a subscription to it, and that was
// deleted while none ran. A healthy endpoint has no state by which the lane would know.
func (d *Dispatcher) miss(l *lane) {
	if l.endpoint != nil || l.invalid != nil || !d.restored.endpoints[l.name].Gone.IsZero() {
		return
	}
	l.seen = true
	d.saveEndpoint(l)
}

// parseName reads what delivery.Name's String wrote.
func parseName(s string) delivery.Name {
	namespace, name, _ := strings.Cut(s, "/")
	return delivery.Name{Namespace: namespace, Name: name}
}

// Kinds of the objects that an update calls invalid, as in manifests.
const (
	kindEndpoint     = "WebhookEndpoint"
	kindSubscription = "WebhookSubscription"
)
