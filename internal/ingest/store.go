// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/problem"
)

// storeRetryAfter is what producers are asked to wait when the log is full or slow.
const storeRetryAfter = 5 * time.Second

// store makes the events durable, but for those that already are, and returns how many those were.
// An error means that at least one event is not known to be stored.
func (h *Handler) store(ctx context.Context, namespace string, events []*event.Event) (duplicates int, err error) {
	c, err := h.claim(ctx, events)
	if err != nil {
		return 0, err
	}
	if err := h.storeClaimed(ctx, namespace, events, c); err != nil {
		return 0, err
	}
	if err := h.awaitOthers(ctx, c); err != nil {
		return 0, err
	}
	return len(events) - len(c.mine), nil
}

// Accept makes events of Posthorn's own durable, each once, and under the same bounds as those of producers. The
// events are of one namespace, name their origin, and are not changed afterwards. An error is a problem.Teller whose
// status is 429 where the namespace has no room, and 503 otherwise.
func (h *Handler) Accept(ctx context.Context, namespace string, events []*event.Event) error {
	if err := h.available(); err != nil {
		return err
	}
	duplicates, err := h.store(ctx, namespace, events)
	if err != nil {
		return err
	}
	h.metrics.accepted.Add(float64(len(events) - duplicates))
	h.metrics.duplicate.Add(float64(duplicates))
	return nil
}

// storeClaimed appends the events that are the request's own, and settles the claim however it ends.
func (h *Handler) storeClaimed(ctx context.Context, namespace string, events []*event.Event, c claim) (err error) {
	var seqs []uint64
	doubtful := false
	defer func() { h.window.settle(c, time.Now(), seqs, doubtful) }()
	if len(c.mine) == 0 {
		return nil
	}
	records := make([][]byte, len(c.mine))
	for i, index := range c.mine {
		records[i] = events[index].AppendRecord(make([]byte, 0, recordSize(events[index])))
	}
	if err := h.admit(namespace, records); err != nil {
		return err
	}
	// The write goes on when the producer leaves: others may be waiting for the same event.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.options.AppendTimeout)
	defer cancel()
	seqs, err = h.options.Log.Append(ctx, namespace, records)
	if err != nil {
		doubtful = !errors.Is(err, eventlog.ErrFull)
		h.giveBack(namespace, records, seqs)
	}
	return logProblem(err)
}

// recordSize is a guess at the size of a record that spares growing it: the data, and 256 bytes for
// the attributes of most events.
func recordSize(e *event.Event) int { return len(e.Data) + 256 }

// admit asks the quota.
func (h *Handler) admit(namespace string, records [][]byte) error {
	if h.options.Quota == nil {
		return nil
	}
	size := 0
	for _, r := range records {
		size += eventlog.EventSize(namespace, len(r))
	}
	wait, ok := h.options.Quota.Admit(namespace, len(records), size)
	if ok {
		return nil
	}
	return kindOverShare.New(fmt.Sprintf("Namespace %s has no room for more events now: its share of the storage or "+
		"its rate is used up. Try again later, or see which of its endpoints do not take their deliveries.",
		namespace)).After(max(wait, time.Second))
}

// giveBack returns to the quota what the log did not confirm. What it stored nevertheless is then
// counted too low until it is settled, which harms less than a share that shrinks with each outage.
func (h *Handler) giveBack(namespace string, records [][]byte, seqs []uint64) {
	if h.options.Quota == nil {
		return
	}
	size := 0
	for i, r := range records {
		if i >= len(seqs) || seqs[i] == 0 {
			size += eventlog.EventSize(namespace, len(r))
		}
	}
	if size > 0 {
		h.options.Quota.Return(namespace, size)
	}
}

// awaitOthers waits for the requests that are storing the same events.
func (h *Handler) awaitOthers(ctx context.Context, c claim) error {
	for _, o := range c.others {
		select {
		case <-o.flight.done:
		case <-ctx.Done():
			return errGone
		}
		if !h.window.has(c.digests[o.index]) {
			return problem.Unavailable.New("Another request was storing the same event and failed; try again.").
				After(storeRetryAfter)
		}
	}
	return nil
}

// errGone means that the producer left before there was an answer.
var errGone error = problem.Timeout.New("The request ended before the event was stored.")

// logFailure is an error of the event log with the answer that it leads to.
type logFailure struct {
	detail string
	cause  error
}

// Error returns the cause, for the log.
func (f *logFailure) Error() string { return f.cause.Error() }

// Unwrap returns the cause.
func (f *logFailure) Unwrap() error { return f.cause }

// Problem returns 503 with Retry-After.
func (f *logFailure) Problem() *problem.Problem {
	return problem.Unavailable.New(f.detail).After(storeRetryAfter)
}

// logProblem turns an error of the event log into a problem.Teller. Whatever is wrong with the log,
// the event is not the producer's fault and may be sent again.
func logProblem(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, eventlog.ErrFull):
		return &logFailure{"The event log is full; nothing was lost. Try again once there is room.", err}
	}
	return &logFailure{"The event log did not confirm the write; the event may be stored or not. " +
		"Send it again with the same source and id.", err}
}
