// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package deliverylog

import (
	"context"
	"slices"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// DeadLetters reads a page of the dead letters, newest first.
func (l *Log) DeadLetters(ctx context.Context, q Query) (Page, error) {
	before, err := parseCursor(q.Cursor)
	if err != nil {
		return Page{}, err
	}
	w, err := l.walk(ctx, q.Namespace, before.seq)
	if err != nil {
		return Page{}, err
	}
	var page Page
	for w.more() {
		if w.letters >= l.bounds.deadLetters || w.bytes >= l.bounds.deadBytes {
			page.Next = cursor{seq: w.at + 1}.String()
			return page, nil
		}
		found, err := w.next(ctx)
		if err != nil {
			return Page{}, err
		}
		for i := range found {
			x := &found[i]
			switch {
			case !q.Since.IsZero() && x.stored.Before(q.Since):
				return page, nil // none is stored before it ended
			case x.err != nil:
				page.Unreadable++
			case q.wants(&x.record):
				page.Items = append(page.Items, x.record)
			}
			if len(page.Items) == q.limit() {
				if x.seq > w.oldest {
					page.Next = cursor{seq: x.seq}.String()
				}
				return page, nil
			}
		}
	}
	return page, nil
}

// walk goes through the dead letters of one namespace, newest first. The engine finds those of a namespace from a
// sequence on, and tells how many they are: so it goes back by ranges of sequences that hold not too many, whatever
// lies between them of other namespaces.
type walk struct {
	log       *eventlog.Log
	namespace string
	// at is the newest sequence that is left to be looked at, and oldest that of the oldest dead letter.
	at, oldest uint64
	// behind is how many dead letters are behind at, and width how many sequences are looked at next.
	behind, width uint64
	// letters and bytes are what was read.
	letters, bytes int
}

// walk begins a walk at the newest dead letter below a sequence; 0 means at the newest of all.
func (l *Log) walk(ctx context.Context, namespace string, below uint64) (*walk, error) {
	w := &walk{log: l.log, namespace: namespace, width: deadPerRead}
	first, err := l.log.DeadLettersFrom(ctx, namespace, 1, 1)
	if err != nil || len(first) == 0 {
		return w, err
	}
	w.oldest = first[0].Seq
	if w.at, err = l.log.LastDeadLetter(ctx); err != nil {
		return w, err
	}
	if below > 0 {
		w.at = min(w.at, below-1)
	}
	w.behind, err = l.log.CountDeadLetters(ctx, namespace, w.at+1)
	return w, err
}

// more reports whether anything is left.
func (w *walk) more() bool { return w.oldest > 0 && w.at >= w.oldest }

// next reads the dead letters of the next range, which may hold none.
func (w *walk) next(ctx context.Context) ([]deadLetter, error) {
	for {
		from := w.oldest
		if w.at-w.oldest >= w.width {
			from = w.at - w.width + 1
		}
		behind, err := w.log.CountDeadLetters(ctx, w.namespace, from)
		if err != nil {
			return nil, err
		}
		n := behind - min(w.behind, behind) // fewer when some were removed meanwhile
		if n > 2*deadPerRead && w.width > deadPerRead {
			w.width /= 2
			continue
		}
		var found []deadLetter
		if n > 0 {
			if found, err = w.read(ctx, from, w.at, n); err != nil {
				return nil, err
			}
		}
		if n < deadPerRead/2 {
			w.width *= 2
		}
		w.at, w.behind = from-1, behind
		return found, nil
	}
}

// read reads the dead letters in the range [from, to], which are n at most, and returns them newest first.
func (w *walk) read(ctx context.Context, from, to, n uint64) ([]deadLetter, error) {
	var all []deadLetter
	for from <= to && uint64(len(all)) < n {
		found, err := w.log.DeadLettersFrom(ctx, w.namespace, from, int(min(n-uint64(len(all)), deadPerRead)))
		if err != nil {
			return nil, err
		}
		for _, m := range found {
			if from = m.Seq + 1; m.Seq > to {
				break
			}
			w.letters++
			w.bytes += len(m.Data)
			all = append(all, newDeadLetter(m))
		}
		if len(found) == 0 {
			break
		}
	}
	slices.Reverse(all)
	return all, nil
}

// deadLetter is a dead letter without its event: there may be many, and events are large.
type deadLetter struct {
	seq    uint64
	stored time.Time
	record delivery.Record
	// err says why it cannot be read; nil when it can.
	err error
}

// newDeadLetter shows a stored dead letter as the record that ended it.
func newDeadLetter(m eventlog.Message) deadLetter {
	x := deadLetter{seq: m.Seq, stored: m.Time}
	s, e, err := decodeDead(m.Data)
	if err != nil {
		x.err = err
		return x
	}
	x.record = delivery.Record{
		EventSeq: s.EventSeq, Subscription: s.Subscription, Kind: s.Kind, Endpoint: s.Endpoint,
		EventID: e.ID, EventType: e.Type, DeliveryID: delivery.ID(e, s.Subscription, s.Kind),
		Attempt: s.Attempts, Time: s.DeadAt, Outcome: delivery.OutcomeDeadLettered,
		StatusCode: s.LastStatus, Reason: s.LastReason, DeadLetter: s.DeadLetter,
	}
	return x
}

// decodeDead reads a stored dead letter and its event.
func decodeDead(data []byte) (*delivery.Stored, *event.Event, error) {
	s, err := delivery.DecodeStored(data)
	if err != nil {
		return nil, nil, err
	}
	e, err := event.DecodeRecord(s.Event)
	return s, e, err
}

// deadEvent is the event of a delivery that is among the dead letters; nil when it is not.
func (l *Log) deadEvent(ctx context.Context, namespace, deliveryID string) (*event.Event, error) {
	w, err := l.walk(ctx, namespace, 0)
	if err != nil {
		return nil, err
	}
	for w.more() {
		found, err := w.next(ctx)
		if err != nil {
			return nil, err
		}
		for i := range found {
			if found[i].err != nil || found[i].record.DeliveryID != deliveryID {
				continue
			}
			m, err := l.log.DeadLettersFrom(ctx, namespace, found[i].seq, 1)
			if err != nil || len(m) == 0 || m[0].Seq != found[i].seq {
				return nil, err // it was removed meanwhile
			}
			_, e, err := decodeDead(m[0].Data)
			return e, err
		}
	}
	return nil, nil
}
