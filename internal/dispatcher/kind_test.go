// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"sync"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// TestPark_InFlightIsNoRaceWithTheRequest is for the race detector: the flusher notes where a delivery in flight is
// stored while the request goes by what kind it is of.
func TestPark_InFlightIsNoRaceWithTheRequest(t *testing.T) {
	sender := &heldSender{release: make(chan struct{})}
	s := start(t, func(o *Options) { o.Sender, o.MaxUnsettled = sender, time.Nanosecond })
	release := sync.OnceFunc(func() { close(sender.release) })
	t.Cleanup(release)
	s.endpoints = []*delivery.Endpoint{s.endpoint("team-a", "billing", "http://127.0.0.1:1", nil)}
	s.subs = []*delivery.Subscription{s.subscription("team-a", "orders", s.endpoints[0].Name, nil)}
	s.load()
	s.send("team-a", 1)
	s.eventually("it is stored while it is in flight", func() bool {
		s.d.mu.Lock()
		defer s.d.mu.Unlock()
		return s.d.storedFloor == 1 && len(s.d.active) == 1
	})
	release()
	s.delivered(1)
}
