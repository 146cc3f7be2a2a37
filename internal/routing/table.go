// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"iter"
	"maps"
	"slices"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/filter"
)

// Table is one state of the routing: all endpoints and subscriptions that can be used. It is
// immutable and safe for concurrent use.
type Table struct {
	endpoints     map[delivery.Name]*delivery.Endpoint
	subscriptions map[delivery.Name]*delivery.Subscription
	// endpointOrder and subscriptionOrder hold the same, sorted by name.
	endpointOrder     []*delivery.Endpoint
	subscriptionOrder []*delivery.Subscription
	// indexes finds the subscriptions of a namespace by event type.
	indexes map[string]*index
}

// NewTable returns the table of these endpoints and subscriptions. Of two with one name the last
// counts; an informer never has two.
func NewTable(endpoints []*delivery.Endpoint, subscriptions []*delivery.Subscription) *Table {
	t := &Table{
		endpoints:     make(map[delivery.Name]*delivery.Endpoint, len(endpoints)),
		subscriptions: make(map[delivery.Name]*delivery.Subscription, len(subscriptions)),
		indexes:       map[string]*index{},
	}
	for _, e := range endpoints {
		t.endpoints[e.Name] = e
	}
	for _, s := range subscriptions {
		t.subscriptions[s.Name] = s
	}
	t.endpointOrder = sorted(t.endpoints)
	t.subscriptionOrder = sorted(t.subscriptions)
	for _, s := range t.subscriptionOrder {
		x := t.indexes[s.Name.Namespace]
		if x == nil {
			x = newIndex()
			t.indexes[s.Name.Namespace] = x
		}
		x.add(s)
	}
	return t
}

// sorted returns the values of m in the order of their names.
func sorted[V any](m map[delivery.Name]V) []V {
	names := slices.SortedFunc(maps.Keys(m), delivery.Name.Compare)
	values := make([]V, len(names))
	for i, n := range names {
		values[i] = m[n]
	}
	return values
}

// Match calls yield once for each subscription of the event's namespace that wants the event, and
// failed for each whose filter could not be evaluated on it. Subscriptions of other types cost
// nothing: the index finds those of the type, and only their sources and CEL filters are evaluated.
// in must be the filter's view of e.
func (t *Table) Match(in *filter.Input, e *event.Event, yield func(*delivery.Subscription), failed func(*delivery.Subscription, error)) {
	x := t.indexes[e.Namespace]
	if x == nil {
		return
	}
	x.lookup(e.Type, func(candidates []*delivery.Subscription) {
		for _, s := range candidates {
			switch ok, err := s.Match.Matches(in); {
			case err != nil:
				failed(s, err)
			case ok:
				yield(s)
			}
		}
	})
}

// Reads reports whether the filter of a subscription of a namespace may read an attribute of the events of a type and a
// source.
func (t *Table) Reads(namespace, source, eventType, attribute string) bool {
	x := t.indexes[namespace]
	if x == nil {
		return false
	}
	found := false
	x.lookup(eventType, func(candidates []*delivery.Subscription) {
		found = found || slices.ContainsFunc(candidates, func(s *delivery.Subscription) bool { return s.Match.Reads(attribute, source) })
	})
	return found
}

// Endpoint returns the endpoint of that name, or nil.
func (t *Table) Endpoint(name delivery.Name) *delivery.Endpoint { return t.endpoints[name] }

// Subscription returns the subscription of that name, or nil.
func (t *Table) Subscription(name delivery.Name) *delivery.Subscription { return t.subscriptions[name] }

// Destination returns the endpoint of a subscription, or nil when it is not in the table or does not
// admit the subscription's namespace: a tenant cannot tell the two apart.
func (t *Table) Destination(s *delivery.Subscription) *delivery.Endpoint {
	e := t.endpoints[s.Endpoint]
	if e == nil || !e.AdmitsNamespace(s.Name.Namespace) {
		return nil
	}
	return e
}

// Endpoints yields all endpoints in the order of their names.
func (t *Table) Endpoints() iter.Seq[*delivery.Endpoint] { return slices.Values(t.endpointOrder) }

// Subscriptions yields all subscriptions in the order of their names.
func (t *Table) Subscriptions() iter.Seq[*delivery.Subscription] {
	return slices.Values(t.subscriptionOrder)
}
