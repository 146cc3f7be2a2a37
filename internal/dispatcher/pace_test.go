// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"net/http"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/status"
)

func TestDelivering_IsThrottledWhenABacklogWaitsForTooLong(t *testing.T) {
	tests := map[string]func(e *delivery.Endpoint){
		"behind a rate limit":    func(e *delivery.Endpoint) { e.Rate, e.Burst = 0.001, 1 },
		"behind a slow receiver": func(e *delivery.Endpoint) { e.Concurrency = 1 },
	}
	for name, limit := range tests {
		t.Run(name, func(t *testing.T) {
			release := make(chan struct{})
			r := newReceiver(t, func(http.ResponseWriter, *http.Request, int) { <-release })
			s := start(t, nil)
			s.one(r)
			s.changeEndpoint(limit)
			sent := time.Now()
			s.send("team-a", 10)
			s.eventually("all but one wait in storage", func() bool { return s.d.Account().Stored == 9 })
			healthAt := func(now time.Time) status.DeliveringReason { return s.factsOf(s.subs[0].Name, now).Delivering }
			if got := healthAt(sent.Add(overdueAfter - time.Second)); got != status.Healthy {
				t.Errorf("deliveries that have just come are %q, want none overdue", got)
			}
			// Storage knows the time of an event to the second, and all are accepted by now.
			if got := healthAt(time.Now().Add(overdueAfter + time.Second)); got != status.Throttled {
				t.Errorf("deliveries that wait for longer than %s are %q, want %q", overdueAfter, got, status.Throttled)
			}
			close(release)
			s.changeEndpoint(func(e *delivery.Endpoint) { e.Rate, e.Concurrency = 0, 16 })
			s.delivered(10)
			if got := healthAt(time.Now().Add(overdueAfter + time.Second)); got != status.Healthy {
				t.Errorf("nothing waits, and deliveries are %q", got)
			}
		})
	}
}
