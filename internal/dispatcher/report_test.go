// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/filter"
	"github.com/posthorn-dev/posthorn/internal/routing"
)

// heldContext has the first who waits for the log under it wait until released, once holds is true.
type heldContext struct {
	context.Context
	holds             func() bool
	once              sync.Once
	reached, released chan struct{}
}

// Done is context.Context's.
func (c *heldContext) Done() <-chan struct{} {
	if c.holds() {
		c.once.Do(func() {
			close(c.reached)
			<-c.released
		})
	}
	return c.Context.Done()
}

// duringStore loads the endpoints and subscriptions as they are now, and calls look while what the new table needs is
// being stored. holds says whether the dispatcher has taken over the specs; it is called with the mutex held.
func (s *system) duringStore(holds func() bool, look func()) {
	s.t.Helper()
	ctx := &heldContext{Context: s.t.Context(), reached: make(chan struct{}), released: make(chan struct{})}
	ctx.holds = func() bool {
		s.d.mu.Lock()
		defer s.d.mu.Unlock()
		return holds()
	}
	loaded := make(chan error, 1)
	go func() { loaded <- s.d.Load(ctx, routing.Update{Table: routing.NewTable(s.endpoints, s.subs)}) }()
	select {
	case <-ctx.reached:
	case err := <-loaded:
		s.t.Fatalf("loaded without storing anything: %v", err)
	}
	look()
	close(ctx.released)
	if err := <-loaded; err != nil {
		s.t.Fatal(err)
	}
}

func TestReport_SpeaksOfTheGenerationThatEventsAreMatchedBy(t *testing.T) {
	s := start(t, nil)
	s.one(newReceiver(t, nil))
	name := s.subs[0].Name
	// From then on nothing but the load has it reported.
	s.eventually("its destination is judged", func() bool { return s.reports.endpoint(s.endpoints[0].Name).DestinationChecked })
	changed := *s.subs[0]
	changed.Generation = 2
	changed.Match, _ = filter.NewMatcher([]string{"com.example.other"}, nil, "")
	s.subs[0] = &changed
	s.subs = append(s.subs, s.subscription("team-a", "new", s.endpoints[0].Name, nil)) // its position is what is stored
	s.duringStore(func() bool { return s.d.subs[name].spec == &changed }, func() {
		s.send("team-a", 1)
		s.delivered(1) // the first generation still takes it
		f := s.factsOf(name, time.Now())
		if f.Generation != 1 || !f.Routed {
			t.Errorf("reported generation %d as routed %t while events are matched by the first", f.Generation, f.Routed)
		}
		if f := s.factsOf(s.subs[1].Name, time.Now()); f.Routed {
			t.Error("a subscription that no event is matched by is reported as routed")
		}
	})
	s.eventually("the second generation is reported as routed", func() bool {
		f := s.reports.subscription(name)
		return f.Generation == 2 && f.Routed
	})
	s.send("team-a", 1)
	s.eventually("the new subscription has it", func() bool { return s.d.Account().Delivered == 2 })
	if f := s.factsOf(name, time.Now()); f.Counts.Matched != 1 {
		t.Errorf("%d events matched, want the first alone", f.Counts.Matched)
	}
}

func TestReport_DoesNotCallAnotherObjectOfTheNameRouted(t *testing.T) {
	s := start(t, nil)
	s.one(newReceiver(t, nil))
	name := s.subs[0].Name
	s.eventually("the first is reported as routed", func() bool { return s.reports.subscription(name).Routed })
	another := *s.subs[0]
	another.UID = "another"
	s.subs[0] = &another
	s.duringStore(func() bool { return s.d.subs[name].spec == &another }, func() {
		if f := s.factsOf(name, time.Now()); f.UID != "another" || f.Routed {
			t.Errorf("object %s is reported as routed %t before it is", f.UID, f.Routed)
		}
	})
	s.eventually("the other is reported as routed", func() bool {
		f := s.reports.subscription(name)
		return f.UID == "another" && f.Routed
	})
}
