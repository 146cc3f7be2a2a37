// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/change"
)

func TestParseKubernetesEvent(t *testing.T) {
	t.Parallel()
	pod := change.ObjectReference{
		APIVersion: "v1", Kind: "Pod", Namespace: "team-a", Name: "shop-7c9d-x2x8q",
		UID: "f3e1f8b0-0a9c-4d3b-8b55-6d0d1a2b3c4d",
	}
	web := pod
	web.FieldPath = "spec.containers{web}"
	kubelet := change.KubernetesEvent{
		Reason: "BackOff", Type: "Warning", Note: "Back-off restarting failed container web in pod shop-7c9d-x2x8q_team-a",
		Regarding: web, ReportingController: "kubelet", Count: 7, LastSeen: instant(t, "2026-11-23T10:31:02Z"),
	}
	tests := map[string]change.KubernetesEvent{
		"event-kubelet": kubelet,
		"event-core":    kubelet,
		"event-series": {
			Reason: "FailedScheduling", Type: "Warning", Action: "Scheduling", Note: "0/1 nodes are available: 1 Insufficient memory.",
			Regarding: pod, ReportingController: "default-scheduler", Count: 12, Series: true,
			LastSeen: instant(t, "2026-11-23T10:31:40.654321Z"),
		},
	}
	for name, want := range tests {
		got, ok := change.ParseKubernetesEvent(load(t, name))
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("%s: %t (-want +got):\n%s", name, ok, diff)
		}
	}
}

func TestParseKubernetesEvent_OfLittle(t *testing.T) {
	t.Parallel()
	got, ok := change.ParseKubernetesEvent(decode(t, `{"apiVersion":"v1","kind":"Event","metadata":{"creationTimestamp":"2026-11-23T10:00:00Z"},"source":{"component":"old"}}`))
	want := change.KubernetesEvent{Count: 1, ReportingController: "old", LastSeen: instant(t, "2026-11-23T10:00:00Z")}
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("%t (-want +got):\n%s", ok, diff)
	}
	for _, none := range []string{
		`{}`, `{"apiVersion":"v1","kind":"Pod"}`, `{"apiVersion":"example.com/v1","kind":"Event"}`, `{"apiVersion":"v1/v2","kind":"Event"}`,
	} {
		if _, ok := change.ParseKubernetesEvent(decode(t, none)); ok {
			t.Errorf("%s was taken for a Kubernetes Event", none)
		}
	}
}
