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
	// Unreadable counts what was passed over, since this build cannot read it: it may be damaged, or of a later
	// release.
	Unreadable int
}

// Sizes of a page, and of one answer of the engine.
const (
	defaultLimit   = 100
	maxLimit       = 1_000
	flushesPerRead = 200
	deadPerRead    = 200
)

// bounds are what one query reads at most: records are not indexed by what queries ask for, and a query for
// something rare must not read a week of flushes in one go.
type bounds struct {
	flushes, deadLetters int
	// deadBytes bounds the dead letters, too: each holds its event.
	deadBytes int
}

// defaultBounds are read in a few seconds.
var defaultBounds = bounds{flushes: 20_000, deadLetters: 20_000, deadBytes: 256 << 20}

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
		if read >= l.bounds.flushes {
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
			q.take(m, &at, limit, &page)
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
func (q *Query) take(m eventlog.Message, at *cursor, limit int, page *Page) {
	f, err := decodeFlush(m.Data)
	if err != nil {
		page.Unreadable++
		return
	}
	for i := len(f.Records) - 1 - at.skip; i >= 0; i-- {
		at.skip++
		if q.wants(&f.Records[i]) {
			page.Items = append(page.Items, f.Records[i])
			if len(page.Items) == limit {
				return
			}
		}
	}
}

// Event finds the event of a delivery that the log knows, by the delivery's id; eventlog.ErrNotFound
// when neither the dead letters nor the event log have it any more.
func (l *Log) Event(ctx context.Context, namespace, deliveryID string) (*event.Event, error) {
	if e, err := l.deadEvent(ctx, namespace, deliveryID); err != nil || e != nil {
		return e, err
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
