// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/egress"
)

var (
	noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	soon = noon.Add(10 * time.Second)
)

// healthy returns the facts of an endpoint that is routed and well.
func healthy() EndpointFacts {
	return EndpointFacts{
		Name: delivery.Name{Namespace: "team-a", Name: "billing"}, UID: "uid-1", Generation: 2,
		Routed: true, DestinationChecked: true, Circuit: breaker.Snapshot{State: breaker.Closed, Since: noon},
	}
}

// brief is what a table says of a condition.
type brief struct {
	Type, Status, Reason string
	Generation           int64
}

func briefs(s *state) []brief {
	var out []brief
	for _, c := range s.Conditions {
		out = append(out, brief{c.Type, string(c.Status), c.Reason, c.ObservedGeneration})
	}
	return out
}

func TestEndpointFacts_BecomeConditions(t *testing.T) {
	t.Parallel()
	allowed := brief{"DestinationAllowed", "True", "Allowed", 2}
	closed := brief{"CircuitClosed", "True", "Closed", 2}
	loaded := brief{"Routed", "True", "Loaded", 2}
	tests := map[string]struct {
		change func(*EndpointFacts)
		want   []brief
		// wantMessage is part of the message of the condition that is not True.
		wantMessage string
	}{
		"routed and well": {func(*EndpointFacts) {}, []brief{allowed, closed, loaded}, ""},
		"not looked at":   {func(f *EndpointFacts) { f.DestinationChecked = false }, []brief{closed, loaded}, ""},
		"a private address": {
			func(f *EndpointFacts) {
				f.DestinationError = &egress.Refusal{Class: egress.Private, Host: "db.example.com"}
			},
			[]brief{{"DestinationAllowed", "False", "AddressNotAllowed", 2}, closed, loaded},
			"a private address",
		},
		"an address of the cluster": {
			func(f *EndpointFacts) {
				f.DestinationError = &egress.Refusal{Class: egress.Cluster, Host: "x.team-a.svc"}
			},
			[]brief{{"DestinationAllowed", "False", "ClusterAddress", 2}, closed, loaded},
			"serviceRef",
		},
		"a name that does not resolve": {
			func(f *EndpointFacts) { f.DestinationError = errors.New("lookup on 10.96.0.10:53: no such host") },
			[]brief{{"DestinationAllowed", "Unknown", "HostNotFound", 2}, closed, loaded},
			"does not resolve",
		},
		"an open circuit": {
			func(f *EndpointFacts) {
				f.Circuit = breaker.Snapshot{State: breaker.Open, Since: noon, ConsecutiveFailures: 7, NextProbe: soon}
			},
			[]brief{allowed, {"CircuitClosed", "False", "CircuitOpen", 2}, loaded},
			"since 2026-05-04T12:00:00Z after 7 failures in a row, and the next probe is at 2026-05-04T12:00:10Z",
		},
		"a half-open circuit": {
			func(f *EndpointFacts) { f.Circuit.State = breaker.HalfOpen },
			[]brief{allowed, {"CircuitClosed", "False", "CircuitHalfOpen", 2}, loaded},
			"probe",
		},
		"a circuit that nobody asked for yet": {
			func(f *EndpointFacts) { f.Circuit = breaker.Snapshot{} }, []brief{allowed, closed, loaded}, "",
		},
		"disabled by 410": {
			func(f *EndpointFacts) { f.DisabledSince, f.DisabledReason = noon, DisabledGone },
			[]brief{allowed, {"CircuitClosed", "False", "EndpointDisabled", 2}, loaded},
			"410 Gone: change its spec",
		},
		"disabled for failing": {
			func(f *EndpointFacts) { f.DisabledSince, f.DisabledReason = noon, DisabledFailing },
			[]brief{allowed, {"CircuitClosed", "False", "EndpointDisabled", 2}, loaded},
			"disableAfter",
		},
		"not routed": {
			func(f *EndpointFacts) {
				f.Routed, f.NotRoutedReason, f.NotRoutedMessage = false, hookv1.ReasonInvalidSpec, "WebhookEndpoint billing is not routed: because."
			},
			[]brief{allowed, closed, {"Routed", "False", "InvalidSpec", 2}},
			"because",
		},
		"not routed for a cause that is not given": {
			func(f *EndpointFacts) { f.Routed = false },
			[]brief{allowed, closed, {"Routed", "False", "CredentialsPending", 2}},
			"see the condition Ready",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := healthy()
			tc.change(&f)
			got := f.wanted(&state{}, noon)
			if diff := cmp.Diff(tc.want, briefs(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, c := range got.Conditions {
				if !strings.Contains(c.Message, "billing") || !strings.HasSuffix(c.Message, ".") || strings.Contains(c.Message, "10.96") {
					t.Errorf("%s: message %q", c.Type, c.Message)
				}
				if c.Status != metav1.ConditionTrue && !strings.Contains(c.Message, tc.wantMessage) {
					t.Errorf("%s: message %q lacks %q", c.Type, c.Message, tc.wantMessage)
				}
			}
		})
	}
}

func TestEndpointFacts_BecomeFields(t *testing.T) {
	t.Parallel()
	f := healthy()
	f.Circuit = breaker.Snapshot{State: breaker.Open, Since: noon.Add(time.Millisecond), ConsecutiveFailures: 5, NextProbe: soon}
	f.Counts = Counts{Matched: 9, Delivered: 3, FailedAttempts: 5, Pending: 2, DeadLettered: 1, OldestPending: noon, LastFailure: soon}
	f.LastFailure = &Failure{
		Time: noon, EventID: strings.Repeat("é", 300), StatusCode: 503, Reason: "Status5xx",
		Message: strings.Repeat("m", 300), NextAttempt: soon,
	}
	f.DisabledSince, f.DisabledReason, f.HandledEnable = noon, DisabledGone, "again"
	n := func(n int64) *int64 { return &n }
	at := func(t time.Time) *metav1.Time { m := metav1.NewTime(t); return &m }
	failures := int32(5)
	want := hookv1.WebhookEndpointStatus{
		Circuit: &hookv1.CircuitStatus{
			State: hookv1.CircuitStateOpen, Since: at(noon), ConsecutiveFailures: &failures, NextProbeTime: at(soon),
		},
		Disabled: &hookv1.DisabledStatus{Since: at(noon), Reason: hookv1.DisabledReasonGone},
		Deliveries: &hookv1.EndpointDeliveries{
			Delivered: n(3), FailedAttempts: n(5), Pending: n(2), DeadLettered: n(1), OldestPendingTime: at(noon), LastFailureTime: at(soon),
		},
		LastFailure: &hookv1.LastFailure{
			Time: at(noon), EventID: strings.Repeat("é", 255) + "…", StatusCode: 503, Reason: "Status5xx",
			Message: strings.Repeat("m", 255) + "…", NextAttemptTime: at(soon),
		},
		LastHandledEnable: "again",
	}
	got := f.wanted(&state{}, noon).endpointStatus()
	got.Conditions = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEndpointFacts_TimesOfTransition(t *testing.T) {
	t.Parallel()
	f := healthy()
	first := f.wanted(&state{}, noon)

	f.Generation = 3
	restamped := f.wanted(first, soon)
	for _, c := range restamped.Conditions {
		if !c.LastTransitionTime.Time.Equal(noon) || c.ObservedGeneration != 3 {
			t.Errorf("%s: a new generation moves the time to %s, generation %d", c.Type, c.LastTransitionTime, c.ObservedGeneration)
		}
	}

	f.Circuit = breaker.Snapshot{State: breaker.Open, Since: noon.Add(5 * time.Second), NextProbe: soon}
	opened := f.wanted(restamped, soon)
	if got := opened.condition(hookv1.ConditionCircuitClosed).LastTransitionTime; !got.Time.Equal(noon.Add(5 * time.Second)) {
		t.Errorf("the circuit opened at %s, by the condition at %s", noon.Add(5*time.Second), got)
	}
	f.Circuit.State = breaker.HalfOpen
	if got := f.wanted(opened, soon.Add(time.Minute)).condition(hookv1.ConditionCircuitClosed); !got.LastTransitionTime.Time.Equal(noon.Add(5 * time.Second)) {
		t.Errorf("another reason of the same status moves the time to %s", got.LastTransitionTime)
	}
}

func TestEndpointFacts_TellTheClassOfAnAddressAndNotTheAddress(t *testing.T) {
	t.Parallel()
	for _, class := range []egress.Class{egress.Private, egress.Cluster, egress.APIServer, egress.Metadata} {
		f := healthy()
		f.DestinationError = &egress.Refusal{Class: class, Host: "db.example.com", Addr: netip.MustParseAddr("10.1.2.3")}
		if told := fmt.Sprintf("%+v", f.wanted(&state{}, noon)); strings.Contains(told, "10.1.2.3") || !strings.Contains(told, "db.example.com") {
			t.Errorf("%s: the status is %s", class, told)
		}
	}
}

func TestEndpointFacts_ConditionsFollowTheGenerationThatIsRouted(t *testing.T) {
	t.Parallel()
	f := healthy()
	first := f.wanted(&state{}, noon)
	f.Generation, f.Routed, f.DestinationChecked = 3, false, false
	want := []brief{
		{"DestinationAllowed", "True", "Allowed", 2}, {"CircuitClosed", "True", "Closed", 2}, {"Routed", "False", "CredentialsPending", 3},
	}
	if diff := cmp.Diff(want, briefs(f.wanted(first, soon))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEndpointFacts_ARestartChangesNothing(t *testing.T) {
	t.Parallel()
	f := healthy()
	f.Counts = Counts{Delivered: 3, LastSuccess: noon}
	first := f.wanted(&state{}, noon)
	// After a restart the breaker is new and the destination has not been looked at yet.
	f.Circuit = breaker.Snapshot{State: breaker.Closed, Since: soon}
	f.DestinationChecked = false
	if got := urgencyOf(first, f.wanted(first, soon)); got != none {
		t.Errorf("urgency: got %d, want none", got)
	}
}

func TestUrgency_OfWhatChanged(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*EndpointFacts)
		want   urgency
	}{
		"nothing":                  {func(*EndpointFacts) {}, none},
		"a counter":                {func(f *EndpointFacts) { f.Counts.Delivered++ }, moved},
		"the last failure":         {func(f *EndpointFacts) { f.LastFailure = &Failure{EventID: "1"} }, moved},
		"failures below the limit": {func(f *EndpointFacts) { f.Circuit.ConsecutiveFailures = 3 }, moved},
		"the wording of a message": {func(f *EndpointFacts) { f.Suspended = true }, moved},
		"the circuit":              {func(f *EndpointFacts) { f.Circuit.State = breaker.Open }, turned},
		"the destination":          {func(f *EndpointFacts) { f.DestinationError = &egress.Refusal{Class: egress.Private} }, turned},
		"disabled":                 {func(f *EndpointFacts) { f.DisabledSince, f.DisabledReason = noon, DisabledGone }, turned},
		"an annotation handled":    {func(f *EndpointFacts) { f.HandledEnable = "1" }, turned},
		"the generation":           {func(f *EndpointFacts) { f.Generation++ }, routed},
		"no longer routed":         {func(f *EndpointFacts) { f.Routed = false }, routed},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := healthy()
			stored := f.wanted(&state{}, noon)
			tc.change(&f)
			if got := urgencyOf(stored, f.wanted(stored, soon)); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}
