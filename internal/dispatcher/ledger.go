// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"slices"
	"time"
)

const (
	// ledgerSpans is in how many spans a full ledger counts: what is trimmed is a part in so many of the
	// stream, too little to hold up others.
	ledgerSpans = 256
	// ledgerEntries bounds the namespaces of all spans together: about 40 bytes each when they are stored.
	// With more, spans grow longer.
	ledgerEntries = 4_096
)

// ledger counts what each namespace has in a stream of messages that are settled, by spans of sequences, so
// that the oldest of one namespace can be trimmed. JetStream counts by stream only.
type ledger struct {
	// Counted is the newest sequence that is counted.
	Counted uint64 `json:"counted"`
	// Span is how many bytes a span takes before the next one begins.
	Span  int64  `json:"span"`
	Spans []span `json:"spans,omitempty"`

	totals  map[string]holding
	entries int
}

// span is what the namespaces have in a range of sequences.
type span struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	// Since is when its first message was stored.
	Since time.Time          `json:"since"`
	Held  map[string]holding `json:"held"`

	bytes int64
}

// holding is a number of messages and their bytes.
type holding struct {
	Messages int64 `json:"messages"`
	Bytes    int64 `json:"bytes"`
}

// plus is the sum of two holdings.
func (h holding) plus(o holding) holding { return holding{h.Messages + o.Messages, h.Bytes + o.Bytes} }

// part is n of m parts of a holding.
func (h holding) part(n, m uint64) holding {
	share := float64(n) / float64(m)
	return holding{int64(float64(h.Messages) * share), int64(float64(h.Bytes) * share)}
}

// newLedger returns an empty ledger of a stream that may take so many bytes.
func newLedger(limit int64) *ledger {
	return &ledger{Span: max(limit/ledgerSpans, 1), totals: map[string]holding{}}
}

// of is what a namespace has.
func (l *ledger) of(namespace string) holding { return l.totals[namespace] }

// add counts one message. Sequences come in ascending order.
func (l *ledger) add(seq uint64, namespace string, bytes int, at time.Time) {
	last := len(l.Spans) - 1
	if last < 0 || l.Spans[last].bytes >= l.Span {
		l.Spans = append(l.Spans, span{First: seq, Last: seq, Since: at, Held: map[string]holding{}})
		last++
	}
	s := &l.Spans[last]
	s.Last = max(s.Last, seq)
	l.Counted = max(l.Counted, seq)
	l.change(s, namespace, holding{1, int64(bytes)})
	if l.entries > ledgerEntries {
		l.condense()
	}
}

// change adds to what a namespace has in a span; less than nothing takes away.
func (l *ledger) change(s *span, namespace string, by holding) {
	before, known := s.Held[namespace]
	after := before.plus(by)
	switch {
	case after.Messages > 0:
		s.Held[namespace] = after
		if !known {
			l.entries++
		}
	case known:
		delete(s.Held, namespace)
		l.entries--
		by = holding{-before.Messages, -before.Bytes}
	}
	s.bytes += by.Bytes
	if total := l.totals[namespace].plus(by); total.Messages > 0 {
		l.totals[namespace] = total
	} else {
		delete(l.totals, namespace)
	}
}

// condense makes spans longer until they have few enough entries.
func (l *ledger) condense() {
	for l.entries > ledgerEntries/2 && len(l.Spans) > 1 {
		l.Span *= 2
		l.merge()
	}
}

// merge joins neighbouring spans that are small.
func (l *ledger) merge() {
	merged := l.Spans[:0]
	for _, s := range l.Spans {
		last := len(merged) - 1
		if last < 0 || merged[last].bytes+s.bytes > l.Span {
			merged = append(merged, s)
			continue
		}
		merged[last].Last = s.Last
		merged[last].bytes += s.bytes
		for namespace, h := range s.Held {
			into := merged[last].Held
			if _, both := into[namespace]; both {
				l.entries--
			}
			into[namespace] = into[namespace].plus(h)
		}
	}
	clear(l.Spans[len(merged):])
	l.Spans = merged
}

// oldest is the oldest span in which a namespace has something; nil when it has nothing.
func (l *ledger) oldest(namespace string) *span {
	for i := range l.Spans {
		if _, ok := l.Spans[i].Held[namespace]; ok {
			return &l.Spans[i]
		}
	}
	return nil
}

// drop forgets what a namespace has up to the sequence, which is the last of a span, and returns what that was.
func (l *ledger) drop(namespace string, last uint64) holding {
	var dropped holding
	for i := range l.Spans {
		s := &l.Spans[i]
		if h, ok := s.Held[namespace]; ok && s.Last <= last {
			l.change(s, namespace, holding{-h.Messages, -h.Bytes})
			dropped = dropped.plus(h)
		}
	}
	l.tidy()
	return dropped
}

// cut forgets everything below the sequence. Of a span that it goes through, what is left is taken to be as
// much as the part of its sequences that is. It returns what is forgotten.
func (l *ledger) cut(below uint64) (all holding) {
	for i := range l.Spans {
		s := &l.Spans[i]
		if s.First >= below {
			break
		}
		gone, length := min(below, s.Last+1)-s.First, s.Last+1-s.First
		for namespace, h := range s.Held {
			by := h.part(gone, length)
			all = all.plus(by)
			l.change(s, namespace, holding{-by.Messages, -by.Bytes})
		}
		s.First += gone
	}
	l.tidy()
	return all
}

// through is the sequence behind the oldest spans that take so many bytes together; 0 when there are none.
func (l *ledger) through(bytes int64) (below uint64) {
	for i := range l.Spans {
		if bytes <= 0 {
			break
		}
		below, bytes = l.Spans[i].Last+1, bytes-l.Spans[i].bytes
	}
	return below
}

// tidy drops the spans in which nobody has anything, and joins small ones.
func (l *ledger) tidy() {
	l.Spans = slices.DeleteFunc(l.Spans, func(s span) bool { return len(s.Held) == 0 })
	if len(l.Spans) > 2*ledgerSpans {
		l.merge()
	}
}

// join puts what another ledger counted behind this one's.
func (l *ledger) join(newer *ledger) {
	for _, s := range newer.Spans {
		into := span{First: s.First, Last: s.Last, Since: s.Since, Held: map[string]holding{}}
		for namespace, h := range s.Held {
			l.change(&into, namespace, h)
		}
		l.Spans = append(l.Spans, into)
	}
	l.Counted = max(l.Counted, newer.Counted)
	if l.entries > ledgerEntries {
		l.condense()
	}
}

// restore takes over what was stored of a ledger.
func (l *ledger) restore(stored *ledger) {
	l.join(stored)
	l.Span = max(l.Span, stored.Span)
}
