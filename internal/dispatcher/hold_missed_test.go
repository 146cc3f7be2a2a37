// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
)

func TestHold_OfAnEndpointThatWasDeletedWhileNothingRan(t *testing.T) {
	for name, end := range ends {
		for state, change := range map[string]func(*delivery.Endpoint){
			"without state":    func(*delivery.Endpoint) {},
			"that has a state": func(e *delivery.Endpoint) { e.Enable = "once" },
		} {
			t.Run("an endpoint "+state+", "+name, func(t *testing.T) {
				r := newReceiver(t, nil)
				s := start(t, nil)
				s.one(r)
				s.changeEndpoint(change)
				s.send("team-a", 1)
				s.delivered(1)
				e := *s.endpoints[0]
				end(s)
				s.endpoints = nil
				s.up()
				s.send("team-a", 3)
				s.stored(3)
				since, _ := s.goneSince()
				end(s)
				s.up()
				s.stored(3)
				if again, _ := s.goneSince(); !again.Equal(since) {
					t.Errorf("gone since %v after another restart, want %v: a restart is no new hold", again, since)
				}
				s.send("team-a", 1)
				s.stored(4)
				s.endpoints = append(s.endpoints, &e)
				s.load()
				s.eventually("all are delivered", r.got(5))
			})
		}
	}
}

func TestHold_OfAnEndpointThatWasDeletedWhileNothingRanEnds(t *testing.T) {
	s := start(t, func(o *Options) { o.Hold = 300 * time.Millisecond })
	s.one(newReceiver(t, nil))
	s.send("team-a", 1)
	s.delivered(1)
	s.down()
	s.endpoints = nil
	s.up()
	s.send("team-a", 3)
	s.eventually("its hold is over", func() bool {
		s.d.mu.Lock()
		defer s.d.mu.Unlock()
		l := s.d.lanes[s.subs[0].Endpoint]
		return l != nil && !l.within(time.Now(), s.d.opts.Hold)
	})
	waiting := s.d.Account().Matched - 1 // those that came within the hold
	s.dead(waiting, delivery.DeadEndpointDeleted)
	s.send("team-a", 3)
	s.eventually("all are settled", s.settled)
	if a := s.d.Account(); a.Matched != waiting+1 {
		t.Errorf("%d matched, want none behind the hold", a.Matched-waiting-1)
	}
}
