// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import "time"

// usage counts what each namespace holds of the storage: its unsettled events and its waiting
// deliveries. JetStream counts by stream only.
type usage struct {
	bytes map[string]int64
	// lastAtStart is the last event that was accepted before this run: those up to it are counted
	// when they are read, later ones when they are accepted.
	lastAtStart uint64
}

// add counts n bytes more, or less.
func (u *usage) add(namespace string, n int64) {
	u.bytes[namespace] += n
	if u.bytes[namespace] <= 0 {
		delete(u.bytes, namespace)
	}
}

// read counts an event that an earlier run accepted.
func (u *usage) read(seq uint64, e *entry) {
	if seq <= u.lastAtStart {
		u.add(e.namespace, e.size)
	}
}

// settled counts an event that is below the floor.
func (u *usage) settled(e *entry) { u.add(e.namespace, -e.size) }

// overShareRetry is what a namespace over its share is told to wait: some retries and some trimming
// later there may be room.
const overShareRetry = 30 * time.Second

// Admit asks whether a namespace may store n more bytes, and counts them when it may. Otherwise it
// says how long to wait before asking again. Bytes that are not stored after all are given back with
// Return.
func (d *Dispatcher) Admit(namespace string, n int) (retryAfter time.Duration, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.usage.bytes[namespace]+int64(n) > d.opts.Share(namespace) {
		d.metrics.refused.Inc()
		return overShareRetry, false
	}
	d.usage.add(namespace, int64(n))
	return 0, true
}

// Return gives back bytes that Admit counted and that were not stored.
func (d *Dispatcher) Return(namespace string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.usage.add(namespace, -int64(n))
}

// overShare reports whether a namespace holds its share. The caller holds the mutex.
func (d *Dispatcher) overShare(namespace string) bool {
	return d.usage.bytes[namespace] >= d.opts.Share(namespace)*95/100
}
