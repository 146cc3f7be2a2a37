// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/filter"
	"github.com/posthorn-dev/posthorn/internal/routing"
)

// subscription returns one that wants these types, and of them what the expression admits.
func subscription(tb testing.TB, namespace, name, expression string, types ...string) *delivery.Subscription {
	tb.Helper()
	m, err := filter.NewMatcher(types, nil, expression)
	if err != nil {
		tb.Fatal(err)
	}
	return &delivery.Subscription{
		Name: delivery.Name{Namespace: namespace, Name: name}, Match: m,
		Endpoint: delivery.Name{Namespace: namespace, Name: "billing"},
	}
}

// matches returns the names of the subscriptions that want an event of that type, in the table's order.
func matches(t *routing.Table, namespace, eventType string) []string {
	e := &event.Event{Namespace: namespace, ID: "1", Source: "/shop", Type: eventType}
	var names []string
	t.Match(filter.NewInput(e), e,
		func(s *delivery.Subscription) { names = append(names, s.Name.Name) },
		func(s *delivery.Subscription, _ error) { names = append(names, "failed "+s.Name.Name) })
	return names
}

func TestTable_MatchFindsThoseOfTheTypeOnce(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		patterns  []string
		eventType string
		want      bool
	}{
		"the exact type":                         {[]string{"com.example.order"}, "com.example.order", true},
		"a longer type":                          {[]string{"com.example.order"}, "com.example.order.created", false},
		"a prefix, one segment more":             {[]string{"com.example.*"}, "com.example.order", true},
		"a prefix, several segments more":        {[]string{"com.*"}, "com.example.order.created", true},
		"a prefix and nothing more":              {[]string{"com.example.*"}, "com.example", false},
		"a prefix and only its dot":              {[]string{"com.example.*"}, "com.example.", false},
		"a prefix that ends inside a segment":    {[]string{"com.exam.*"}, "com.example.order", false},
		"a type that ends in a dot":              {[]string{"com.example.*"}, "com.example.order.", true},
		"a type with an empty segment":           {[]string{"com..*"}, "com..order", true},
		"all":                                    {[]string{"*"}, "x", true},
		"all, and more that say the same":        {[]string{"com.example.*", "*", "com.example.order"}, "com.example.order", true},
		"a prefix within a prefix":               {[]string{"com.*", "com.example.*"}, "com.example.order", true},
		"the same twice":                         {[]string{"com.*", "com.*", "com.a", "com.a"}, "com.a", true},
		"an exact type that a prefix just lacks": {[]string{"com.example.*", "com.example."}, "com.example.", true},
		"several, of which one":                  {[]string{"a", "b.*", "com.example.order"}, "com.example.order", true},
		"several, of which none":                 {[]string{"a", "b.*"}, "com.example.order", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := subscription(t, "team-a", "s", "", tc.patterns...)
			if s.Match.MatchesType(tc.eventType) != tc.want {
				t.Fatalf("the case contradicts the matcher itself")
			}
			var want []string
			if tc.want {
				want = []string{"s"}
			}
			if diff := cmp.Diff(want, matches(routing.NewTable(nil, []*delivery.Subscription{s}), "team-a", tc.eventType)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTable_MatchKeepsToTheNamespaceOfTheEvent(t *testing.T) {
	t.Parallel()
	table := routing.NewTable(nil, []*delivery.Subscription{
		subscription(t, "team-a", "mine", "", "*"), subscription(t, "team-b", "theirs", "", "*"),
	})
	if diff := cmp.Diff([]string{"mine"}, matches(table, "team-a", "x")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := matches(table, "team-c", "x"); got != nil {
		t.Errorf("a namespace without subscriptions matches %v", got)
	}
}

func TestTable_MatchEvaluatesFiltersOfTheTypeAlone(t *testing.T) {
	t.Parallel()
	table := routing.NewTable(nil, []*delivery.Subscription{
		subscription(t, "team-a", "wants", "event.id == '1'", "order"),
		subscription(t, "team-a", "declines", "event.id == '2'", "order"),
		subscription(t, "team-a", "fails", "1 / int(event.id) == 1 / 0", "order"),
		subscription(t, "team-a", "would fail", "1 / 0 == int(event.id)", "invoice", "order.*"),
	})
	got := matches(table, "team-a", "order")
	slices.Sort(got)
	if diff := cmp.Diff([]string{"failed fails", "wants"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTable_DestinationHidesWhatIsNotAdmitted(t *testing.T) {
	t.Parallel()
	s := subscription(t, "team-a", "s", "", "*")
	s.Endpoint = delivery.Name{Namespace: "platform", Name: "hub"}
	hub := &delivery.Endpoint{Name: s.Endpoint}
	if routing.NewTable(nil, nil).Destination(s) != nil {
		t.Error("an endpoint that is not there is a destination")
	}
	if routing.NewTable([]*delivery.Endpoint{hub}, nil).Destination(s) != nil {
		t.Error("an endpoint that does not admit the namespace is a destination")
	}
	admitting := *hub
	admitting.Admits = []string{"team-a"}
	if got := routing.NewTable([]*delivery.Endpoint{&admitting}, nil).Destination(s); got != &admitting {
		t.Errorf("got %v, want the endpoint that admits the namespace", got)
	}
}

func TestTable_ListsByName(t *testing.T) {
	t.Parallel()
	name := func(ns, n string) delivery.Name { return delivery.Name{Namespace: ns, Name: n} }
	table := routing.NewTable([]*delivery.Endpoint{
		{Name: name("b", "a")}, {Name: name("a", "b")}, {Name: name("a", "a")},
	}, []*delivery.Subscription{subscription(t, "z", "a", "", "*"), subscription(t, "a", "z", "", "*")})
	var endpoints, subscriptions []string
	for e := range table.Endpoints() {
		endpoints = append(endpoints, e.Name.String())
	}
	for s := range table.Subscriptions() {
		subscriptions = append(subscriptions, s.Name.String())
	}
	if diff := cmp.Diff([]string{"a/a", "a/b", "b/a"}, endpoints); diff != "" {
		t.Errorf("endpoints (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a/z", "z/a"}, subscriptions); diff != "" {
		t.Errorf("subscriptions (-want +got):\n%s", diff)
	}
	if table.Endpoint(name("a", "b")) == nil || table.Subscription(name("z", "a")) == nil || table.Endpoint(name("x", "x")) != nil {
		t.Error("what is listed and what is found by name differ")
	}
}

// crowd returns a table of n subscriptions in one namespace, ten of which want orders that are created
// and that the expression admits.
func crowd(tb testing.TB, n int, expression string) *routing.Table {
	tb.Helper()
	subs := make([]*delivery.Subscription, n)
	for i := range subs {
		types := []string{fmt.Sprintf("com.example.order.other%d", i), fmt.Sprintf("com.example.kind%d.*", i)}
		wanted := ""
		if i < 10 {
			types, wanted = []string{"com.example.order.created"}, expression
		}
		subs[i] = subscription(tb, "team-a", fmt.Sprintf("s%d", i), wanted, types...)
	}
	return routing.NewTable(nil, subs)
}

func TestTable_MatchTouchesOnlyWhatMatches(t *testing.T) {
	e := &event.Event{Namespace: "team-a", ID: "1", Source: "/shop", Type: "com.example.order.created"}
	in := filter.NewInput(e)
	cost := func(n int) float64 {
		// Evaluating CEL takes from pools, whose allocations vary.
		table := crowd(t, n, "")
		matched := 0
		allocations := testing.AllocsPerRun(10, func() {
			matched = 0
			table.Match(in, e, func(*delivery.Subscription) { matched++ }, func(*delivery.Subscription, error) {})
		})
		if matched != 10 {
			t.Fatalf("of %d subscriptions %d match, want 10", n, matched)
		}
		return allocations
	}
	if small, large := cost(10), cost(10_000); small != large {
		t.Errorf("10 subscriptions cost %v allocations, 10,000 cost %v", small, large)
	}
}

// BenchmarkTable_Match has 10 subscriptions match of the number in the name. Its times must be within
// 1.5 of each other.
func BenchmarkTable_Match(b *testing.B) {
	for _, n := range []int{10, 1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table := crowd(b, n, "event.source.startsWith('/shop')")
			e := &event.Event{Namespace: "team-a", ID: "1", Source: "/shop", Type: "com.example.order.created"}
			in := filter.NewInput(e)
			matched := 0
			b.ReportAllocs()
			for b.Loop() {
				table.Match(in, e, func(*delivery.Subscription) { matched++ }, func(*delivery.Subscription, error) {})
			}
			if matched == 0 {
				b.Fatal("nothing matched")
			}
		})
	}
}

// BenchmarkNewTable shows what a change of one object costs at that number of subscriptions.
func BenchmarkNewTable(b *testing.B) {
	table := crowd(b, 10_000, "")
	subs := slices.Collect(table.Subscriptions())
	for b.Loop() {
		routing.NewTable(nil, subs)
	}
}

func TestTable_KnowsWhichAttributesFiltersRead(t *testing.T) {
	t.Parallel()
	table := routing.NewTable(nil, []*delivery.Subscription{
		subscription(t, "team-a", "orders", `event.changed.contains("/spec")`, "com.example.*"),
		subscription(t, "team-a", "all", `event.actor != ""`, "*"),
		subscription(t, "team-b", "all", "", "*"),
	})
	for _, tc := range []struct {
		namespace, eventType, attribute string
		want                            bool
	}{
		{"team-a", "com.example.order", "changed", true},
		{"team-a", "org.example.order", "changed", false},
		{"team-a", "org.example.order", "actor", true},
		{"team-b", "com.example.order", "changed", false},
		{"team-c", "com.example.order", "changed", false},
	} {
		if got := table.Reads(tc.namespace, "/shop", tc.eventType, tc.attribute); got != tc.want {
			t.Errorf("%s of %s in %s is read: %t, want %t", tc.attribute, tc.eventType, tc.namespace, got, tc.want)
		}
	}
}
