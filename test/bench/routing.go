// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/filter"
	"github.com/posthorn-dev/posthorn/internal/routing"
	"github.com/posthorn-dev/posthorn/test/bench/load"
)

const (
	// crowdFan is how many subscriptions of a crowd want an event, and crowdEndpoints how many endpoints the
	// largest ones have.
	crowdFan       = 10
	crowdEndpoints = 100
	// crowdDeliveries is how many deliveries one run makes.
	crowdDeliveries = 50_000
)

// crowd is a tenant with many subscriptions, of which crowdFan want an event.
type crowd struct {
	*tenant
	data string
}

// crowd makes the tenant when the first bench asks for it.
func (s *session) crowd(ctx context.Context, subscriptions int) (*crowd, error) {
	if c := s.crowds[subscriptions]; c != nil {
		return c, nil
	}
	p, err := s.platform()
	if err != nil {
		return nil, err
	}
	t, err := newTenant(ctx, p)
	if err != nil {
		return nil, err
	}
	s.say("making %d subscriptions", subscriptions)
	if err := t.fan(ctx, s.receiver, "wants", "com.example.bench", crowdFan); err != nil {
		return nil, err
	}
	endpoints := min(crowdEndpoints, subscriptions) - crowdFan
	err = parallel(endpoints, func(i int) error {
		return t.endpoint(ctx, fmt.Sprintf("other-%d", i), s.receiver.url("/r/0"), nil)
	})
	if err != nil {
		return nil, err
	}
	err = parallel(subscriptions-crowdFan, func(i int) error {
		return t.subscription(ctx, fmt.Sprintf("other-%d", i), fmt.Sprintf("other-%d", i%endpoints), otherType(i), nil)
	})
	if err != nil {
		return nil, err
	}
	data, err := s.prepare(ctx, t)
	if err != nil {
		return nil, err
	}
	s.crowds[subscriptions] = &crowd{t, data}
	return s.crowds[subscriptions], nil
}

// otherType is the type that one of the subscriptions wants that do not want the events of the benchmark.
func otherType(i int) string { return fmt.Sprintf("com.example.other%d", i) }

// benchRouting measures what an event costs when many subscriptions do not want it: in the routing table alone, and
// in the whole dispatcher.
func benchRouting(ctx context.Context, s *session) ([]figure, error) {
	var all []figure
	for _, n := range []int{1_000, 10_000} {
		f, err := s.matching(n)
		if err != nil {
			return all, err
		}
		all = append(all, f)
	}
	few, err := s.crowded(ctx, crowdFan)
	if err != nil {
		return all, err
	}
	for _, n := range []int{1_000, 10_000} {
		many, err := s.crowded(ctx, n)
		if err != nil {
			return all, err
		}
		var cost pairs
		for i := range s.pairs {
			base, err := s.drain(ctx, few)
			if err != nil {
				return all, err
			}
			got, err := s.drain(ctx, many)
			if err != nil {
				return all, err
			}
			s.say("pair %d: %.1f µs an event with %d subscriptions, %.1f µs with %d", i+1,
				base.cpu*crowdFan, crowdFan, got.cpu*crowdFan, n)
			cost.add(base.cpu*crowdFan, got.cpu*crowdFan)
		}
		all = append(all, cost.figure(fmt.Sprintf("routing_dispatcher_%d", n),
			fmt.Sprintf("(g) CPU of an event and its 10 deliveries, %d subscriptions against 10", n), "µs/event", goalRouting(n)))
	}
	return all, nil
}

// goalRouting is what is to be reached with so many subscriptions.
func goalRouting(n int) string {
	if n == 10_000 {
		return "< 1.5"
	}
	return ""
}

// crowded is a crowd with events that are accepted and not delivered.
func (s *session) crowded(ctx context.Context, subscriptions int) (*drained, error) {
	c, err := s.crowd(ctx, subscriptions)
	if err != nil {
		return nil, err
	}
	d := &drained{tenant: c.tenant, fan: crowdFan, events: s.scaled(crowdDeliveries) / crowdFan}
	if d.data, err = s.prepare(ctx, c.tenant); err != nil {
		return nil, err
	}
	return d, c.accept(ctx, d.data, "com.example.bench", d.events)
}

// matching measures the routing table alone, in this process.
func (s *session) matching(n int) (figure, error) {
	e, err := benchEvent()
	if err != nil {
		return figure{}, err
	}
	few, err := newTable(crowdFan)
	if err != nil {
		return figure{}, err
	}
	many, err := newTable(n)
	if err != nil {
		return figure{}, err
	}
	var cost pairs
	for range s.pairs {
		base, err := matchCost(few, e)
		if err != nil {
			return figure{}, err
		}
		got, err := matchCost(many, e)
		if err != nil {
			return figure{}, err
		}
		cost.add(base, got)
	}
	return cost.figure(fmt.Sprintf("routing_%d", n),
		fmt.Sprintf("(g) routing alone, %d subscriptions against 10", n), "ns/event", goalRouting(n)), nil
}

// benchEvent is one event of the benchmark.
func benchEvent() (*event.Event, error) {
	template, err := load.NewTemplate("com.example.bench")
	if err != nil {
		return nil, err
	}
	return event.ParseStructured("bench", template.Copy())
}

// newTable is a routing table with subscriptions as a crowd has them.
func newTable(n int) (*routing.Table, error) {
	all := make([]*delivery.Subscription, n)
	for i := range all {
		eventType := "com.example.bench"
		if i >= crowdFan {
			eventType = otherType(i)
		}
		s, err := compile.Subscription(&hookv1.WebhookSubscription{
			ObjectMeta: metav1.ObjectMeta{Namespace: "bench", Name: fmt.Sprintf("s-%d", i)},
			Spec: hookv1.WebhookSubscriptionSpec{
				EndpointRef: hookv1.EndpointRef{Name: "receiver"},
				EventTypes:  []hookv1.EventTypePattern{hookv1.EventTypePattern(eventType)},
			},
		}, compile.BuiltinDefaults())
		if err != nil {
			return nil, fmt.Errorf("compile subscription: %w", err)
		}
		all[i] = s
	}
	return routing.NewTable(nil, all), nil
}

// matchCost is the time of one event in a table, in nanoseconds, with what is needed to evaluate filters on it.
func matchCost(t *routing.Table, e *event.Event) (float64, error) {
	wrong := 0
	result := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			matched := 0
			t.Match(filter.NewInput(e), e, func(*delivery.Subscription) { matched++ },
				func(*delivery.Subscription, error) { wrong++ })
			if matched != crowdFan {
				wrong++
			}
		}
	})
	if wrong > 0 {
		return 0, fmt.Errorf("%d events did not match as they should", wrong)
	}
	return float64(result.T.Nanoseconds()) / float64(result.N), nil
}
