// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import "time"

// usage counts what each namespace holds of the storage. JetStream counts by stream only.
type usage struct {
	// bytes is what is not settled: unsettled events and waiting deliveries.
	bytes map[string]int64
	// events and dead are what is: the events below the floor and the dead letters that are kept.
	events, dead *ledger
	// earlier is what earlier runs stored of both, until caughtUp says that events and dead hold it, with what
	// those runs did not come to store: events up to floorAtStart and dead letters up to deadAtStart.
	earlier                   ledgers
	floorAtStart, deadAtStart uint64
	caughtUp                  bool
	// lastAtStart is the last event that was accepted before this run: those up to it are counted
	// when they are read, later ones when they are accepted.
	lastAtStart uint64
}

// ledgers are the ledgers of usage as they are stored.
type ledgers struct {
	Events *ledger `json:"events"`
	Dead   *ledger `json:"deadLetters"`
}

// newUsage counts nothing yet of a storage of so many bytes.
func newUsage(storage int64) usage {
	return usage{bytes: map[string]int64{}, events: newLedger(storage), dead: newLedger(storage)}
}

// add counts n bytes more, or less, that are not settled.
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

// settle counts an event that is below the floor now.
func (u *usage) settle(e *entry) {
	u.add(e.namespace, -e.size)
	u.events.add(e.seq, e.namespace, int(e.size), e.read)
}

// settled is how many bytes of a namespace are settled.
func (u *usage) settled(namespace string) int64 {
	return u.events.of(namespace).Bytes + u.dead.of(namespace).Bytes
}

// What a namespace is told to wait before it asks again.
const (
	// overShareRetry is for one whose share is taken up by what is not settled: some retries later there may
	// be room.
	overShareRetry = 30 * time.Second
	// trimRetry is for one that stores faster than what it has is trimmed.
	trimRetry = time.Second
)

// trimSlack is the part of a share by which a namespace may hold more, or is brought to less, while what is
// settled is trimmed: so that trimming is neither waited for nor done for every event.
const trimSlack = 1.0 / 16

// slackOf is trimSlack of a share, in bytes.
func slackOf(share int64) int64 { return int64(float64(share) * trimSlack) }

// Admit asks whether a namespace may store n more bytes, and counts them when it may. Otherwise it
// says how long to wait before asking again. What is settled makes room for what is not. Bytes that are not
// stored after all are given back with Return.
func (d *Dispatcher) Admit(namespace string, n int) (retryAfter time.Duration, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	share := d.opts.Share(namespace)
	unsettled := d.usage.bytes[namespace] + int64(n)
	all := unsettled + d.usage.settled(namespace)
	if all > share {
		d.signalTrim()
	}
	switch {
	case unsettled > share:
		retryAfter = overShareRetry
	case all > share+slackOf(share):
		retryAfter = trimRetry
	default:
		d.usage.add(namespace, int64(n))
		d.letIn(n)
		return 0, true
	}
	d.metrics.refused.Inc()
	return retryAfter, false
}

// Return gives back bytes that Admit counted and that were not stored.
func (d *Dispatcher) Return(namespace string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.usage.add(namespace, -int64(n))
}

// overShare reports whether a namespace has filled its share with what is not settled, or nearly so, and its
// producers are refused. The caller holds the mutex.
func (d *Dispatcher) overShare(namespace string) bool {
	return d.usage.bytes[namespace] >= d.opts.Share(namespace)*95/100
}

// overShares counts the namespaces of which overShare is true. The caller holds the mutex.
func (d *Dispatcher) overShares() (n int) {
	for namespace := range d.usage.bytes {
		if d.overShare(namespace) {
			n++
		}
	}
	return n
}
