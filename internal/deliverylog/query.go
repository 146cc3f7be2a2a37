// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package deliverylog

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// Query says which records of one namespace are wanted. Empty fields do not narrow it.
type Query struct {
	// Namespace is the subscriptions' namespace; required.
	Namespace string
	// Subscription is a name in the namespace. Endpoint is a name in it, or namespace/name.
	Subscription, Endpoint string
	EventID                string
	Outcome                delivery.Outcome
	// Since and Until bound the time of the attempt: since is included, until is not.
	Since, Until time.Time
	// Limit is how many items a page holds at most; 0 means 100, and 1,000 is the most.
	Limit int
	// Cursor is the Next of the page before.
	Cursor string
}

// Page is one page of an answer, newest first.
type Page struct {
	Items []delivery.Record
	// Next is the cursor of the following page; empty when there is none. A page may be short, or
	// empty, and still have a following one: a query looks at a bounded number of records.
	Next string
}

// Sizes of a page, and what one query reads at most: records are not indexed by what queries ask
// for, and a query for something rare must not read a week of flushes in one go.
const (
	defaultLimit   = 100
	maxLimit       = 1_000
	flushesPerRead = 200
	maxFlushes     = 20_000
	deadPerRead    = 500
)

// ErrCursor appears when a cursor is not one that a page had.
var ErrCursor = errors.New("cursor is not one of this log")

// Query reads a page of the attempt log.
func (l *Log) Query(ctx context.Context, q Query) (Page, error) {
	at, err := parseCursor(q.Cursor)
	if err != nil {
		return Page{}, err
	}
	first, last, err := l.log.FlushRange(ctx)
	if err != nil {
		return Page{}, err
	}
	if at.seq == 0 || at.seq > last {
		at = cursor{seq: last, skip: 0}
	}
	limit := q.limit()
	var page Page
	for read := 0; at.seq >= first && at.seq > 0; {
		if read >= maxFlushes {
			page.Next = at.String()
			return page, nil
		}
		from := max(first, at.seq-min(at.seq-1, flushesPerRead-1))
		flushes, err := l.log.Flushes(ctx, from, at.seq)
		if err != nil {
			return Page{}, err
		}
		read += len(flushes)
		for _, m := range slices.Backward(flushes) {
			if m.Seq != at.seq {
				at = cursor{seq: m.Seq}
			}
			if !q.Since.IsZero() && m.Time.Before(q.Since) {
				return page, nil // a flush holds nothing younger than itself
			}
			if err := q.take(m, &at, limit, &page); err != nil {
				return Page{}, err
			}
			if len(page.Items) == limit {
				page.Next = at.String()
				return page, nil
			}
		}
		at = cursor{seq: from - 1}
	}
	return page, nil
}

// take adds what is wanted of a flush to the page, newest first, and moves the cursor behind it.
func (q *Query) take(m eventlog.Message, at *cursor, limit int, page *Page) error {
	f, err := decodeFlush(m.Data)
	if err != nil {
		return err
	}
	for i := len(f.Records) - 1 - at.skip; i >= 0; i-- {
		at.skip++
		if q.wants(&f.Records[i]) {
			page.Items = append(page.Items, f.Records[i])
			if len(page.Items) == limit {
				return nil
			}
		}
	}
	return nil
}

// DeadLetters reads a page of the dead letters, newest first.
func (l *Log) DeadLetters(ctx context.Context, q Query) (Page, error) {
	before, err := parseCursor(q.Cursor)
	if err != nil {
		return Page{}, err
	}
	var all []delivery.Record
	var seqs []uint64
	for from, end := uint64(1), false; !end; {
		found, err := l.log.DeadLettersFrom(ctx, q.Namespace, from, deadPerRead)
		if err != nil {
			return Page{}, err
		}
		for _, m := range found {
			from = m.Seq + 1
			if before.seq != 0 && m.Seq >= before.seq {
				end = true
				break
			}
			r, err := deadLetter(m.Data)
			if err != nil {
				return Page{}, err
			}
			if q.wants(&r) {
				all, seqs = append(all, r), append(seqs, m.Seq)
			}
		}
		if keep := q.limit() + 1; len(all) > keep {
			all, seqs = slices.Clone(all[len(all)-keep:]), slices.Clone(seqs[len(seqs)-keep:])
		}
		end = end || len(found) == 0
	}
	page := Page{}
	if len(all) > q.limit() {
		page.Next = cursor{seq: seqs[1]}.String()
		all = all[1:]
	}
	slices.Reverse(all)
	page.Items = all
	return page, nil
}

// deadLetter shows a stored dead letter as the record that ended it.
func deadLetter(data []byte) (delivery.Record, error) {
	s, err := delivery.DecodeStored(data)
	if err != nil {
		return delivery.Record{}, err
	}
	e, err := event.DecodeRecord(s.Event)
	if err != nil {
		return delivery.Record{}, err
	}
	return delivery.Record{
		EventSeq: s.EventSeq, Subscription: s.Subscription, Kind: s.Kind, Endpoint: s.Endpoint,
		EventID: e.ID, EventType: e.Type, DeliveryID: delivery.ID(e, s.Subscription, s.Kind),
		Attempt: s.Attempts, Time: s.DeadAt, Outcome: delivery.OutcomeDeadLettered,
		StatusCode: s.LastStatus, Reason: s.LastReason, DeadLetter: s.DeadLetter,
	}, nil
}

// Event finds the event of a delivery that the log knows, by the delivery's id; eventlog.ErrNotFound
// when neither the dead letters nor the event log have it any more.
func (l *Log) Event(ctx context.Context, namespace, deliveryID string) (*event.Event, error) {
	for from := uint64(1); ; {
		found, err := l.log.DeadLettersFrom(ctx, namespace, from, deadPerRead)
		if err != nil {
			return nil, err
		}
		for _, m := range found {
			from = m.Seq + 1
			if e, ok := deadEvent(m.Data, deliveryID); ok {
				return e, nil
			}
		}
		if len(found) == 0 {
			break
		}
	}
	q := Query{Namespace: namespace, Limit: maxLimit}
	for {
		page, err := l.Query(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			if r := &page.Items[i]; r.DeliveryID == deliveryID {
				return l.stored(ctx, r.EventSeq)
			}
		}
		if page.Next == "" {
			return nil, fmt.Errorf("find delivery %s: %w", deliveryID, eventlog.ErrNotFound)
		}
		q.Cursor = page.Next
	}
}

// deadEvent is the event of a stored dead letter, when it is the delivery that is looked for.
func deadEvent(data []byte, deliveryID string) (*event.Event, bool) {
	s, err := delivery.DecodeStored(data)
	if err != nil {
		return nil, false
	}
	e, err := event.DecodeRecord(s.Event)
	if err != nil || delivery.ID(e, s.Subscription, s.Kind) != deliveryID {
		return nil, false
	}
	return e, true
}

// stored reads one event of the event log.
func (l *Log) stored(ctx context.Context, seq uint64) (*event.Event, error) {
	m, err := l.log.Event(ctx, seq)
	if err != nil {
		return nil, err
	}
	return event.DecodeRecord(m.Data)
}

// wants reports whether the query asks for the record.
func (q *Query) wants(r *delivery.Record) bool {
	endpoint := q.Endpoint
	if endpoint != "" && !strings.Contains(endpoint, "/") {
		endpoint = q.Namespace + "/" + endpoint
	}
	switch {
	case r.Subscription.Namespace != q.Namespace,
		q.Subscription != "" && r.Subscription.Name != q.Subscription,
		endpoint != "" && r.Endpoint.String() != endpoint,
		q.EventID != "" && r.EventID != q.EventID,
		q.Outcome != "" && r.Outcome != q.Outcome,
		!q.Since.IsZero() && r.Time.Before(q.Since),
		!q.Until.IsZero() && !r.Time.Before(q.Until):
		return false
	}
	return true
}

// limit is how many items a page holds.
func (q *Query) limit() int {
	if q.Limit <= 0 {
		return defaultLimit
	}
	return min(q.Limit, maxLimit)
}

// cursor is a place in the log: the message, and how many of its newest records were looked at.
type cursor struct {
	seq  uint64
	skip int
}

// String is the cursor as clients see it.
func (c cursor) String() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d", c.seq, c.skip))
}

// parseCursor reads what String wrote; the empty text is the beginning.
func parseCursor(s string) (cursor, error) {
	if s == "" {
		return cursor{}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return cursor{}, ErrCursor
	}
	seq, skip, ok := strings.Cut(string(raw), ".")
	c := cursor{}
	if c.seq, err = strconv.ParseUint(seq, 10, 64); err != nil || !ok {
		return cursor{}, ErrCursor
	}
	if c.skip, err = strconv.Atoi(skip); err != nil || c.skip < 0 {
		return cursor{}, ErrCursor
	}
	return c, nil
}
