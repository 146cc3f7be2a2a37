// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// maxQueue is how long a question waits for its turn before the caller is sent away. A short queue
// smooths the start of many producers at once without holding their connections.
const maxQueue = 2 * time.Second

// budget limits how often the API server is asked. A quarter of the rate is kept for renewals, the
// questions about callers that it accepted a minute ago: a flood of unknown tokens then cannot
// push out the producers that are already sending.
type budget struct {
	any      *rate.Limiter
	renewals *rate.Limiter
}

func newBudget(perSecond float64) *budget {
	return &budget{
		any:      rate.NewLimiter(rate.Limit(perSecond*3/4), 1),
		renewals: rate.NewLimiter(rate.Limit(perSecond/4), 1),
	}
}

// take waits for permission to ask once. When the wait would pass maxQueue it returns at once with
// false and the time after which it would not.
func (b *budget) take(ctx context.Context, renewal bool) (retryAfter time.Duration, ok bool) {
	now := time.Now()
	reservation := b.any.ReserveN(now, 1)
	if renewal && reservation.DelayFrom(now) > 0 {
		// The reserve is asked first when it is the faster one.
		if r := b.renewals.ReserveN(now, 1); r.DelayFrom(now) < reservation.DelayFrom(now) {
			reservation.CancelAt(now)
			reservation = r
		} else {
			r.CancelAt(now)
		}
	}
	delay := reservation.DelayFrom(now)
	if delay > maxQueue {
		reservation.CancelAt(now)
		return delay - maxQueue + time.Second, false
	}
	if err := sleep(ctx, delay); err != nil {
		return maxQueue, false
	}
	return 0, true
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
