// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"slices"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// The figures of each object are a value of their own, as of the flush that was the newest when they were stored. Only
// those that changed are stored anew, and when all of them are, the mark: the flush that all figures are as of that are
// as of none behind it. A restart adds to the figures of an object what the flushes behind both of them hold. So it is
// right wherever a crash comes in between, and flushes are needed from the mark on.

// counters are the figures that earlier runs stored.
type counters struct {
	mark                     uint64
	subscriptions, endpoints map[delivery.Name]storedFigures
	// whole is the form of builds before, which the figures of builds after may lie beside.
	whole *wholeCounters
}

// storedFigures are the figures of one object as they are stored.
type storedFigures struct {
	Flush uint64 `json:"flush"`
	figures
}

// Versions of the value of stateCounters.
const (
	// wholeVersion is that of the first builds: the figures of all objects in one value.
	wholeVersion = 1
	markVersion  = 2
)

// wholeCounters are the figures of all objects as of a flush.
type wholeCounters struct {
	Flush         uint64             `json:"flush"`
	Subscriptions map[string]figures `json:"subscriptions,omitempty"`
	Endpoints     map[string]figures `json:"endpoints,omitempty"`
}

// counterMark is the mark as it is stored. A build that knows no versions finds neither a flush nor figures in it, and
// counts what the attempt log holds.
type counterMark struct {
	Mark uint64 `json:"mark"`
}

// set takes the value of stateCounters.
func (c *counters) set(value []byte) error {
	version, err := versionOf(value)
	if err != nil {
		return err
	}
	if version == wholeVersion {
		c.whole = &wholeCounters{}
		return decodeAs(wholeVersion, value, c.whole)
	}
	var m counterMark
	err = decodeAs(markVersion, value, &m)
	c.mark = m.Mark
	return err
}

// asOf is the flush that the restored figures of an object are as of.
func (c *counters) asOf(of map[delivery.Name]storedFigures, name delivery.Name) uint64 {
	return max(c.mark, of[name].Flush)
}

// restoreCounts takes over the figures of earlier runs.
func (d *Dispatcher) restoreCounts() {
	c := &d.restored.counters
	if w := c.whole; w != nil {
		// Those that lie beside it are of a build that came before the one that wrote it, or did not come to its mark.
		c.mark, c.subscriptions, c.endpoints = w.Flush, nil, nil
		for name, f := range w.Subscriptions {
			d.sub(parseName(name)).figures = f.bounded()
		}
		for name, f := range w.Endpoints {
			d.laneOf(parseName(name)).figures = f.bounded()
		}
	}
	for name, f := range c.subscriptions {
		s := d.sub(name)
		s.figures, s.saved = f.bounded(), f.tally()
	}
	for name, f := range c.endpoints {
		l := d.laneOf(name)
		l.figures, l.saved = f.bounded(), f.tally()
	}
}

// clampCounts has no figures be as of flushes that are gone: later ones may get their sequences.
func (d *Dispatcher) clampCounts(last uint64) {
	c := &d.restored.counters
	c.mark = min(c.mark, last)
	for name, f := range c.subscriptions {
		if f.Flush > last {
			f.Flush, d.sub(name).saved = last, tally{}
			c.subscriptions[name] = f
		}
	}
	for name, f := range c.endpoints {
		if f.Flush > last {
			f.Flush, d.laneOf(name).saved = last, tally{}
			c.endpoints[name] = f
		}
	}
}

// countRestored adds a flush's record to the figures that do not hold it.
func (d *Dispatcher) countRestored(flush uint64, r *delivery.Record) {
	c := &d.restored.counters
	if flush > c.asOf(c.subscriptions, r.Subscription) {
		d.sub(r.Subscription).figures.apply(r, true)
	}
	if flush > c.asOf(c.endpoints, r.Endpoint) {
		d.laneOf(r.Endpoint).figures.apply(r, true)
	}
}

// revokeRestored takes a dropped flush's record out of the figures that hold it.
func (d *Dispatcher) revokeRestored(flush uint64, r *delivery.Record) {
	c := &d.restored.counters
	if flush <= c.asOf(c.subscriptions, r.Subscription) {
		d.sub(r.Subscription).figures.revoke(r)
	}
	if flush <= c.asOf(c.endpoints, r.Endpoint) {
		d.laneOf(r.Endpoint).figures.revoke(r)
	}
}

// tally tells figures that changed from those that did not: whatever changes them changes one of its numbers.
type tally struct {
	// known is false for what was never stored.
	known                                           bool
	matched, delivered, failedAttempts, deadLetters int64
}

// tally is that of the figures.
func (f *figures) tally() tally {
	return tally{true, f.Matched, f.Delivered, f.FailedAttempts, f.DeadLettered}
}

// bounded are the figures with the texts of their failures cut to what a status shows.
func (f *figures) bounded() figures {
	b := *f
	b.Failures = slices.Clone(f.Failures)
	for i := range b.Failures {
		b.Failures[i] = b.Failures[i].Bounded()
	}
	return b
}

// unsaved are figures that are to be stored, and where to note that they are.
type unsaved struct {
	key     eventlog.StateKey
	figures figures
	saved   *tally
}

// figuresKey is where the figures of an object are stored.
func figuresKey(kind string, name delivery.Name) eventlog.StateKey {
	return eventlog.StateKey{Kind: kind, Namespace: name.Namespace, Name: name.Name}
}

// changedFigures returns the last flush, and the figures as of it that changed since they were stored. It returns the
// flush before when there is none behind it.
func (d *Dispatcher) changedFigures(before uint64) (flush uint64, changed []unsaved) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.flushed == before || d.madeUp > 0 {
		return before, nil
	}
	add := func(kind string, name delivery.Name, f figures, saved *tally) {
		if f.tally() != *saved {
			f.Failures = slices.Clone(f.Failures)
			changed = append(changed, unsaved{figuresKey(kind, name), f, saved})
		}
	}
	for name, s := range d.subs {
		f := s.figures
		f.Matched -= s.unrecorded
		add(stateSubscriptionFigures, name, f, &s.saved)
	}
	for name, l := range d.lanes {
		add(stateEndpointFigures, name, l.figures, &l.saved)
	}
	return d.flushed, changed
}

// saveCounters stores the figures that changed, if there is a flush since the one before, and returns the flush that
// all are as of then. What fails is tried again the next time. Nothing else waits for it: what it stores is no more
// than a way to read fewer flushes at a restart.
func (d *Dispatcher) saveCounters(before uint64) uint64 {
	flush, changed := d.changedFigures(before)
	if flush == before {
		return before
	}
	err := d.storeFigures(flush, changed)
	if err == nil {
		err = d.putState(map[eventlog.StateKey][]byte{countersKey: encodeAs(markVersion, counterMark{flush})})
	}
	if err != nil {
		d.logger.Warn("Failed to store counters, trying again", "error", err)
		return before
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.countersFlush = flush
	return flush
}

// figuresBatch is how many figures are encoded and stored at once.
const figuresBatch = 500

// storeFigures stores figures as of a flush. What was stored before one fails is not stored again.
func (d *Dispatcher) storeFigures(flush uint64, changed []unsaved) error {
	for batch := range slices.Chunk(changed, figuresBatch) {
		values := make(map[eventlog.StateKey][]byte, len(batch))
		for _, u := range batch {
			values[u.key] = encode(storedFigures{flush, u.figures})
		}
		if err := d.putState(values); err != nil {
			return err
		}
		d.mu.Lock()
		for _, u := range batch {
			*u.saved = u.figures.tally()
		}
		d.mu.Unlock()
	}
	return nil
}

// putState stores values that nothing waits for.
func (d *Dispatcher) putState(values map[eventlog.StateKey][]byte) error {
	ctx, cancel := context.WithTimeout(d.storing, storeTimeout)
	defer cancel()
	return d.log.PutState(ctx, values)
}
