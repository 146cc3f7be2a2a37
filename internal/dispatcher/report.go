// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"slices"
	"time"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/status"
)

// reportInterval is how often what changed is handed to the status writer, which has its own budget.
const reportInterval = time.Second

// overdueAfter is how long a delivery may be due before its subscription counts as throttled.
const overdueAfter = 10 * time.Second

// reasonEndpointNotRouted is the reason of Routed while a subscription's endpoint cannot be used.
const reasonEndpointNotRouted = "EndpointNotRouted"

// reportLoop hands what changed to the status writer.
func (d *Dispatcher) reportLoop() {
	ticker := time.NewTicker(reportInterval)
	defer ticker.Stop()
	for {
		select {
		case <-d.done:
			d.report(time.Now())
			return
		case <-d.reportSignal:
		case <-ticker.C:
		}
		d.report(time.Now())
	}
}

// signalReport has what changed reported at once.
func (d *Dispatcher) signalReport() {
	select {
	case d.reportSignal <- struct{}{}:
	default:
	}
}

// report hands the facts of what changed to the status writer.
func (d *Dispatcher) report(now time.Time) {
	endpoints, subscriptions := d.facts(now)
	for _, f := range endpoints {
		d.opts.Reporter.UpdateEndpoint(f)
	}
	for _, f := range subscriptions {
		d.opts.Reporter.UpdateSubscription(f)
	}
}

// facts are those of what changed since the last time; none before the first routing table, and before all that waits since
// earlier runs is counted: until then nobody knows how much is pending.
func (d *Dispatcher) facts(now time.Time) (endpoints []status.EndpointFacts, subscriptions []status.SubscriptionFacts) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.counted() {
		return nil, nil
	}
	for _, s := range d.subs {
		if !s.reportable() {
			continue
		}
		if over := d.overShare(s.name.Namespace); over != s.overShare {
			s.overShare, s.dirty = over, true
		}
		if s.lane != nil && (s.dirty || s.delivering != d.health(s, now)) {
			s.dirty, s.lane.dirty = true, true // the lane too: that is where the oldest is looked for
		}
	}
	oldest := d.oldestPending()
	for _, l := range d.lanes {
		if l.dirty && (l.endpoint != nil || l.invalid != nil) {
			endpoints = append(endpoints, d.endpointFacts(l, oldest))
		}
		l.dirty = false
	}
	for _, s := range d.subs {
		if s.dirty && s.reportable() {
			subscriptions = append(subscriptions, d.subscriptionFacts(s, now, oldest[s]))
		}
	}
	return endpoints, subscriptions
}

// counted reports whether everything is known that is told. The caller holds the mutex.
func (d *Dispatcher) counted() bool { return d.table != nil && d.scanned }

// reportable reports whether there is an object to report about.
func (s *subscription) reportable() bool { return s.spec != nil || s.invalid != nil }

// oldestPending finds the oldest pending delivery of each subscription that is to be reported.
func (d *Dispatcher) oldestPending() map[*subscription]time.Time {
	oldest := map[*subscription]time.Time{}
	note := func(s *subscription, at time.Time) {
		if known, ok := oldest[s]; !ok || at.Before(known) {
			oldest[s] = at
		}
	}
	for _, l := range d.lanes {
		if l.dirty {
			l.eachStored(note)
		}
	}
	d.eachInMemory(note)
	return oldest
}

// endpointFacts are the facts of one endpoint.
func (d *Dispatcher) endpointFacts(l *lane, oldest map[*subscription]time.Time) status.EndpointFacts {
	f := status.EndpointFacts{
		Name: l.name, DestinationChecked: l.destinationChecked, DestinationError: l.destination,
		HandledEnable: l.handled, Circuit: breaker.Snapshot{State: breaker.Closed},
	}
	if n := len(l.figures.Failures); n > 0 {
		last := l.figures.Failures[n-1]
		f.LastFailure = &last
	}
	if i := l.invalid; i != nil {
		f.UID, f.Generation, f.NotRoutedReason, f.NotRoutedMessage = i.uid, i.generation, i.reason, i.message
	}
	if e := l.endpoint; e != nil {
		f.UID, f.Generation, f.Routed, f.Suspended = e.UID, e.Generation, true, e.Suspended
	}
	if l.circuit != nil {
		f.Circuit = l.circuit.breaker.Snapshot()
	}
	if x := l.disabled; x != nil {
		f.DisabledSince, f.DisabledReason = x.Since, x.disabledReason()
	}
	var pending int64
	var first time.Time
	for s := range l.subs {
		pending += s.pending
		if at, ok := oldest[s]; ok && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	f.Counts = l.figures.counts(pending, first)
	return f
}

// subscriptionFacts are the facts of one subscription. They are then reported.
func (d *Dispatcher) subscriptionFacts(s *subscription, now, oldest time.Time) status.SubscriptionFacts {
	health := d.health(s, now)
	if health != s.delivering || s.deliveringSince.IsZero() {
		s.delivering, s.deliveringSince = health, now
	}
	s.dirty = false
	f := status.SubscriptionFacts{
		Name: s.name, Delivering: health, DeliveringSince: s.deliveringSince,
		OverShare: s.overShare, RecentFailures: newestFirst(s.figures.Failures),
		Counts: s.figures.counts(s.pending, oldest),
	}
	switch {
	case s.invalid != nil:
		i := s.invalid
		f.UID, f.Generation, f.NotRoutedReason, f.NotRoutedMessage = i.uid, i.generation, i.reason, i.message
	default:
		matching := d.table.Subscription(s.name)
		spec := s.spec
		if matching != nil && matching.UID == spec.UID {
			spec = matching // that of the generation before, until all that the new table needs is stored
		}
		f.UID, f.Generation, f.Endpoint = spec.UID, spec.Generation, spec.Endpoint
		f.Routed = spec == matching && s.positioned && s.lane.endpoint != nil && s.lane.endpoint.AdmitsNamespace(s.name.Namespace)
		if !f.Routed {
			f.NotRoutedReason = reasonEndpointNotRouted
			f.NotRoutedMessage = "The endpoint is not in the routing table yet; see the conditions of the WebhookEndpoint."
		}
	}
	return f
}

// newestFirst is a copy in the order of the status.
func newestFirst(failures []status.Failure) []status.Failure {
	out := slices.Clone(failures)
	slices.Reverse(out)
	return out
}

// health says why deliveries of a subscription are overdue.
func (d *Dispatcher) health(s *subscription, now time.Time) status.DeliveringReason {
	l := s.lane
	if s.spec == nil || l == nil {
		return status.Healthy
	}
	switch {
	case s.spec.Suspended, l.endpoint != nil && l.endpoint.Suspended:
		return status.Suspended
	case s.positioned && s.holds(), s.positioned && l.endpoint == nil:
		return status.EndpointHeld
	case l.disabled != nil:
		return status.EndpointDisabled
	case !l.circuit.flows():
		return status.CircuitOpen
	case s.pending > 0:
		return s.pace(now)
	}
	return status.Healthy
}

// pace says why what is pending of a subscription is, when nothing holds it.
func (s *subscription) pace(now time.Time) status.DeliveringReason {
	switch {
	case s.lane.backoff > 0: // the last answer was 429
		return status.Throttled
	case s.figures.failing():
		return status.Failing
	case s.lane.late(now):
		return status.Throttled
	}
	return status.Healthy
}

// late reports whether what is due in the lane waits for its limits.
func (l *lane) late(now time.Time) bool {
	if now.Before(l.paused) {
		return true
	}
	return len(l.backlog) > 0 && now.Sub(l.backlog[0].since()) > overdueAfter
}
