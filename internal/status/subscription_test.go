// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// delivering returns the facts of a subscription that is routed and well.
func delivering() SubscriptionFacts {
	return SubscriptionFacts{
		Name: delivery.Name{Namespace: "team-a", Name: "orders"}, UID: "uid-1", Generation: 2, Routed: true,
		Endpoint: delivery.Name{Namespace: "team-a", Name: "billing"},
	}
}

func TestSubscriptionFacts_BecomeConditions(t *testing.T) {
	t.Parallel()
	loaded := brief{"Routed", "True", "Loaded", 2}
	tests := map[string]struct {
		change      func(*SubscriptionFacts)
		want        []brief
		wantMessage string
	}{
		"routed and well": {
			func(*SubscriptionFacts) {}, []brief{loaded, {"Delivering", "True", "Healthy", 2}}, "No delivery of WebhookSubscription orders is overdue.",
		},
		"an open circuit": {
			func(f *SubscriptionFacts) {
				f.Delivering, f.DeliveringSince, f.DeliveringDetail = CircuitOpen, noon, "the next probe is at 2026-05-04T12:00:10Z"
			},
			[]brief{loaded, {"Delivering", "False", "CircuitOpen", 2}},
			"Deliveries of WebhookSubscription orders wait since 2026-05-04T12:00:00Z (the next probe is at 2026-05-04T12:00:10Z): the circuit of WebhookEndpoint billing is open",
		},
		"throttled": {func(f *SubscriptionFacts) { f.Delivering = Throttled }, []brief{loaded, {"Delivering", "False", "Throttled", 2}}, "rateLimit"},
		"suspended": {func(f *SubscriptionFacts) { f.Delivering = Suspended }, []brief{loaded, {"Delivering", "False", "Suspended", 2}}, "spec.suspend"},
		"failing":   {func(f *SubscriptionFacts) { f.Delivering = Failing }, []brief{loaded, {"Delivering", "False", "Failing", 2}}, "status.recentFailures"},
		"the endpoint disabled": {
			func(f *SubscriptionFacts) { f.Delivering = EndpointDisabled },
			[]brief{loaded, {"Delivering", "False", "EndpointDisabled", 2}},
			"posthorn.dev/enable",
		},
		"the endpoint gone": {
			func(f *SubscriptionFacts) { f.Delivering = EndpointHeld },
			[]brief{loaded, {"Delivering", "False", "EndpointNotRouted", 2}},
			"WebhookEndpoint billing does not exist or does not admit",
		},
		"another namespace's endpoint gone, or closed": {
			func(f *SubscriptionFacts) { f.Delivering, f.Endpoint.Namespace = EndpointHeld, "platform" },
			[]brief{loaded, {"Delivering", "False", "RefNotPermitted", 2}},
			"WebhookEndpoint platform/billing does not exist or does not admit",
		},
		"the namespace over its share": {
			func(f *SubscriptionFacts) { f.OverShare = true },
			[]brief{loaded, {"Delivering", "False", "NamespaceOverShare", 2}},
			"Namespace team-a holds its full share",
		},
		"failing, and over its share for that": {
			func(f *SubscriptionFacts) { f.OverShare, f.Delivering = true, Failing },
			[]brief{loaded, {"Delivering", "False", "Failing", 2}},
			"; the namespace holds its full share",
		},
		"not routed": {
			func(f *SubscriptionFacts) { f.Routed = false },
			[]brief{{"Routed", "False", "EndpointNotRouted", 2}, {"Delivering", "True", "Healthy", 2}},
			"No delivery",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := delivering()
			tc.change(&f)
			got := f.wanted(&state{}, noon)
			if diff := cmp.Diff(tc.want, briefs(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			c := got.condition(hookv1.ConditionDelivering)
			if !strings.Contains(c.Message, tc.wantMessage) || !strings.HasSuffix(c.Message, ".") {
				t.Errorf("message %q lacks %q", c.Message, tc.wantMessage)
			}
		})
	}
}

func TestSubscriptionFacts_ShowTheNewestFiveFailures(t *testing.T) {
	t.Parallel()
	f := delivering()
	f.Counts = Counts{Matched: 4, Delivered: -1}
	for i := range 7 {
		f.RecentFailures = append(f.RecentFailures, Failure{
			Time: noon, EventID: fmt.Sprint(i), EventType: "order", Attempt: i + 1, Reason: "Timeout", Message: "No answer came.",
		})
	}
	got := f.wanted(&state{}, noon).subscriptionStatus()
	if len(got.RecentFailures) != 5 {
		t.Fatalf("got %d failures, want 5", len(got.RecentFailures))
	}
	at := metav1.NewTime(noon)
	want := hookv1.RecentFailure{
		LastFailure: hookv1.LastFailure{Time: &at, EventID: "0", Reason: "Timeout", Message: "No answer came."},
		EventType:   "order", Attempt: 1,
	}
	if diff := cmp.Diff(want, got.RecentFailures[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if *got.Deliveries.Matched != 4 || *got.Deliveries.Delivered != 0 {
		t.Errorf("got %+v", got.Deliveries)
	}
}
