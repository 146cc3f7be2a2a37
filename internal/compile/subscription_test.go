// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/filter"
	"github.com/posthorn-dev/posthorn/internal/payload"
	"github.com/posthorn-dev/posthorn/internal/retry"
)

// orders returns a subscription to orders, with what change makes of its spec.
func orders(change func(*hookv1.WebhookSubscriptionSpec)) *hookv1.WebhookSubscription {
	obj := &hookv1.WebhookSubscription{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "orders", UID: "uid-1", Generation: 2},
		Spec: hookv1.WebhookSubscriptionSpec{
			EndpointRef: hookv1.EndpointRef{Name: "billing"},
			EventTypes:  []hookv1.EventTypePattern{"com.example.order.*"},
		},
	}
	if change != nil {
		change(&obj.Spec)
	}
	return obj
}

func TestSubscription_FillsWhatTheSpecLeavesOutFromTheDefaults(t *testing.T) {
	t.Parallel()
	s, err := compile.Subscription(orders(nil), compile.BuiltinDefaults())
	if err != nil {
		t.Fatal(err)
	}
	if s.Endpoint != (delivery.Name{Namespace: "team-a", Name: "billing"}) || s.DeadLetter != nil || s.Suspended {
		t.Errorf("got %+v", s)
	}
	if s.Payload.Format() != payload.FormatCloudEvents || !s.Payload.Shared() {
		t.Errorf("payload: got %s", s.Payload.Format())
	}
	want := &retry.Policy{Delays: retry.DefaultDelays(), JitterPercent: 20, MaxAge: 72 * time.Hour}
	if diff := cmp.Diff(want, s.Retry); diff != "" {
		t.Errorf("Retry (-want +got):\n%s", diff)
	}
}

func TestSubscription_TakesWhatTheSpecSays(t *testing.T) {
	t.Parallel()
	none := int32(0)
	tests := map[string]struct {
		retry hookv1.Retry
		want  retry.Policy
	}{
		"a schedule without jitter": {
			retry: hookv1.Retry{
				Type:     hookv1.RetryTypeSchedule,
				Schedule: &hookv1.RetrySchedule{Delays: []hookv1.Duration{"1s", "1m"}, JitterPercent: &none},
				GiveUpOn: []hookv1.FailureStatus{413, 422}, MaxAge: "1h",
			},
			want: retry.Policy{Delays: []time.Duration{time.Second, time.Minute}, GiveUpOn: []int{413, 422}, MaxAge: time.Hour},
		},
		"delays that grow": {
			retry: hookv1.Retry{
				Type:        hookv1.RetryTypeExponential,
				Exponential: &hookv1.RetryExponential{Initial: "1s", Max: "3s", Attempts: 4},
			},
			want: retry.Policy{
				Delays: []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}, JitterPercent: 20, MaxAge: 72 * time.Hour,
			},
		},
		"an age alone": {
			retry: hookv1.Retry{MaxAge: "2h"},
			want:  retry.Policy{Delays: retry.DefaultDelays(), JitterPercent: 20, MaxAge: 2 * time.Hour},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			obj := orders(func(s *hookv1.WebhookSubscriptionSpec) {
				s.Retry = &tc.retry
				s.EndpointRef.Namespace = "platform"
				s.DeadLetter = &hookv1.DeadLetter{EndpointRef: hookv1.EndpointRef{Name: "dlq"}}
			})
			s, err := compile.Subscription(obj, compile.BuiltinDefaults())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tc.want, s.Retry); diff != "" {
				t.Errorf("Retry (-want +got):\n%s", diff)
			}
			if s.Endpoint.Namespace != "platform" || *s.DeadLetter != (delivery.Name{Namespace: "team-a", Name: "dlq"}) {
				t.Errorf("got endpoint %s, dead letters to %s", s.Endpoint, s.DeadLetter)
			}
		})
	}
}

func TestSubscription_NamesTheFieldAtFault(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change   func(*hookv1.WebhookSubscriptionSpec)
		wantPath string
		// wantPlace says that the error gives line and column.
		wantPlace bool
	}{
		"no endpoint":    {change: func(s *hookv1.WebhookSubscriptionSpec) { s.EndpointRef.Name = "" }, wantPath: "spec.endpointRef.name"},
		"no event types": {change: func(s *hookv1.WebhookSubscriptionSpec) { s.EventTypes = nil }, wantPath: "spec.eventTypes"},
		"a star inside a type": {
			change:   func(s *hookv1.WebhookSubscriptionSpec) { s.EventTypes = append(s.EventTypes, "com.*.order") },
			wantPath: "spec.eventTypes[1]",
		},
		"an empty source": {
			change:   func(s *hookv1.WebhookSubscriptionSpec) { s.Sources = []hookv1.SourcePattern{"/a", ""} },
			wantPath: "spec.sources[1]",
		},
		"a filter that does not compile": {
			change:   func(s *hookv1.WebhookSubscriptionSpec) { s.Filter = "event.id ==" },
			wantPath: "spec.filter", wantPlace: true,
		},
		"a transform that does not compile": {
			change:   func(s *hookv1.WebhookSubscriptionSpec) { s.Payload = &hookv1.Payload{Transform: "{"} },
			wantPath: "spec.payload.transform", wantPlace: true,
		},
		"a format that there is not": {
			change:   func(s *hookv1.WebhookSubscriptionSpec) { s.Payload = &hookv1.Payload{Format: "XML"} },
			wantPath: "spec.payload.format",
		},
		"a schedule without delays": {
			change:   func(s *hookv1.WebhookSubscriptionSpec) { s.Retry = &hookv1.Retry{Type: hookv1.RetryTypeSchedule} },
			wantPath: "spec.retry",
		},
		"a delay that does not parse": {
			change: func(s *hookv1.WebhookSubscriptionSpec) {
				s.Retry = &hookv1.Retry{
					Type: hookv1.RetryTypeSchedule, Schedule: &hookv1.RetrySchedule{Delays: []hookv1.Duration{"1s", "soon"}},
				}
			},
			wantPath: "spec.retry.schedule.delays[1]",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := compile.Subscription(orders(tc.change), compile.BuiltinDefaults())
			var field *compile.Error
			if !errors.As(err, &field) {
				t.Fatalf("got %v, want a *compile.Error", err)
			}
			if field.Path != tc.wantPath {
				t.Errorf("Path: got %q, want %q (%v)", field.Path, tc.wantPath, err)
			}
			if strings.Count(err.Error(), "filter:")+strings.Count(err.Error(), "transform:") > 1 {
				t.Errorf("the field is named twice: %v", err)
			}
			var placed *filter.Error
			if tc.wantPlace && (!errors.As(err, &placed) || placed.Line == 0 || !strings.Contains(err.Error(), "line 1")) {
				t.Errorf("got no line and column: %v", err)
			}
		})
	}
}

func TestEffectiveSubscription_DescribesTheScheduleInWords(t *testing.T) {
	t.Parallel()
	got, err := compile.EffectiveSubscription(orders(nil), compile.BuiltinDefaults())
	if err != nil {
		t.Fatal(err)
	}
	want := &hookv1.EffectiveSubscription{Retry: "8 retries over 17h42m35s, ±20 %", MaxAge: "72h"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
