// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"sync"
	"testing"

	"github.com/posthorn-dev/posthorn/internal/routing"
)

func TestLoad_ReportsARouteWhenItsPositionIsStored(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	e := s.endpoint("team-a", "billing", r.URL, nil)
	x := s.subscription("team-a", "orders", e.Name, nil)
	s.subs = append(s.subs, x)
	s.loadUpdate(routing.Update{
		Table:   routing.NewTable(nil, s.subs),
		Invalid: []routing.Invalid{{Kind: kindEndpoint, Name: e.Name, UID: e.UID, Generation: 1, Reason: "CredentialsPending"}},
	})
	// While the position is being stored, the endpoint is judged and everything reported: the endpoint is there
	// by then, and the route is not.
	var judging sync.WaitGroup
	judging.Go(func() {
		for judged := false; !judged; {
			s.d.mu.Lock()
			l := s.d.lanes[e.Name]
			judged = s.d.subs[x.Name].positioned
			if l.endpoint != nil && !judged {
				l.destinationChecked = true
				s.d.touch(l)
			}
			s.d.mu.Unlock()
			if !judged {
				s.d.signalReport() // the loop reports, which nobody else does: two would overtake each other
			}
		}
	})
	s.endpoints = append(s.endpoints, e)
	s.load()
	judging.Wait()
	s.eventually("the subscription is reported as routed", func() bool { return s.reports.subscription(x.Name).Routed })
}
