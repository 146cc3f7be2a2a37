// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/posthorn-dev/posthorn/internal/event"
)

// digest stands for the namespace, source and id of an event: the first half of their SHA-256, far
// more than what keeps some 100,000 events apart, and nothing that can be forged.
type digest [16]byte

// digestOf returns the digest of an event.
func digestOf(e *event.Event) digest { return digestOfParts(e.Namespace, e.Source, e.ID) }

// digestOfRecord returns the digest of a stored event.
func digestOfRecord(i event.Identity) digest { return digestOfParts(i.Namespace, i.Source, i.ID) }

// digestOfParts returns a digest. Valid attributes hold no zero byte, so the parts stay apart.
func digestOfParts[T string | []byte](namespace, source, id T) digest {
	var buf [256]byte // enough for most; longer ones are allocated
	b := append(buf[:0], namespace...)
	b = append(b, 0)
	b = append(b, source...)
	b = append(b, 0)
	b = append(b, id...)
	sum := sha256.Sum256(b)
	return digest(sum[:16])
}

// window remembers which events were stored lately, and which are being stored. It is safe for
// concurrent use.
type window struct {
	span    time.Duration
	metrics *metrics

	mu      sync.Mutex
	stored  *storedEvents
	flights map[digest]*flight
	last    uint64 // the newest sequence of the log that was heard of
	doubt   doubt
}

// doubt is about events that the log did not confirm: those of so many requests may be stored behind a
// sequence, or not. Nothing can be claimed before the log was read from there.
type doubt struct {
	after    uint64
	requests int
}

// flight is one request that is being stored.
type flight struct {
	done chan struct{} // closed when it is over
}

func newWindow(span time.Duration, entries int, m *metrics) *window {
	return &window{
		span: span, metrics: m, stored: newStoredEvents(entries), flights: map[digest]*flight{},
	}
}

// claim is what a request may store and what it must wait for. Indexes are those of its digests.
type claim struct {
	digests []digest
	flight  *flight
	// after is a sequence of the log behind which the events will be.
	after uint64
	// mine are the events that nobody else has stored or is storing.
	mine []int
	// others are the events that another request is storing, with that request.
	others []other
}

type other struct {
	index  int
	flight *flight
}

// claim decides about all events of a request at once; false means that there is a doubt to be resolved
// first. Since a request stores what is its own before it waits for others, requests that overlap never
// wait for each other.
func (w *window) claim(digests []digest, now time.Time) (c claim, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.doubt.requests > 0 {
		return claim{}, false
	}
	w.expire(now)
	c = claim{digests: digests, flight: &flight{done: make(chan struct{})}, after: w.last}
	for i, d := range digests {
		if w.stored.has(d) {
			continue
		}
		switch f := w.flights[d]; f {
		case nil:
			w.flights[d] = c.flight
			c.mine = append(c.mine, i)
		case c.flight: // twice in this very request
		default:
			c.others = append(c.others, other{i, f})
		}
	}
	return c, true
}

// settle ends a claim. Those of mine that have a sequence are stored; the others are not, unless there
// is a doubt about them.
func (w *window) settle(c claim, now time.Time, seqs []uint64, doubtful bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, index := range c.mine {
		delete(w.flights, c.digests[index])
		if i < len(seqs) && seqs[i] != 0 {
			w.add(c.digests[index], now)
			w.last = max(w.last, seqs[i])
		}
	}
	if doubtful {
		if w.doubt.requests == 0 || c.after < w.doubt.after {
			w.doubt.after = c.after
		}
		w.doubt.requests++
	}
	close(c.flight.done)
}

// doubted returns the doubt that there is.
func (w *window) doubted() doubt {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.doubt
}

// resolved takes note that the log was read from a doubt on up to a sequence. A request that went wrong
// meanwhile leaves the doubt as it is, since its events may have come later.
func (w *window) resolved(d doubt, last uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = max(w.last, last)
	if w.doubt == d {
		w.doubt = doubt{}
	}
}

// has reports whether the event is stored.
func (w *window) has(d digest) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stored.has(d)
}

// restore adds an event that was found in the log, stored at that time.
func (w *window) restore(d digest, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.add(d, at)
}

// add remembers an event; the caller holds the lock.
func (w *window) add(d digest, at time.Time) {
	if w.stored.has(d) {
		return
	}
	if w.stored.full() {
		w.metrics.evictions.Inc()
		w.stored.forgetOldest()
	}
	w.stored.add(d, at)
	w.metrics.windowEntries.Set(float64(w.stored.count))
}

// expire forgets what is older than the window; the caller holds the lock.
func (w *window) expire(now time.Time) {
	oldest := now.Add(-w.span)
	for w.stored.oldestBefore(oldest) {
		w.stored.forgetOldest()
		w.metrics.windowEntries.Set(float64(w.stored.count))
	}
}
