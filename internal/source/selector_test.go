// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// podsOf has a source watch the Pods that a field selector leaves.
func podsOf(fieldSelector string) func(*hookv1.WebhookEventSourceSpec) {
	return func(s *hookv1.WebhookEventSourceSpec) {
		s.Resources = []hookv1.WatchedResource{{APIVersion: "v1", Kind: "Pod", FieldSelector: fieldSelector}}
	}
}

func TestRunner_TellsEachOfWhatItsFieldSelectorLeaves(t *testing.T) {
	w := newWorld(t)
	w.create(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "default"}})
	w.start()
	w.source("pending", podsOf("status.phase=Pending"))
	w.source("failed", podsOf("status.phase=Failed"))
	w.awaitWatching("pending")
	w.awaitWatching("failed")
	shop, other := w.pod("shop"), w.pod("other")
	w.create(shop, other)
	w.eventually("those that match are told", w.toldOf("pending", "shop pod.created", "other pod.created"))
	w.setPhase(shop, corev1.PodFailed)
	w.eventually("one matches no more", w.toldOf("pending", "shop pod.created", "other pod.created", "shop pod.deleted"))
	w.eventually("it matches the other", w.toldOf("failed", "shop pod.created"))
	w.stop()
	w.setPhase(other, corev1.PodFailed)
	w.setPhase(shop, corev1.PodPending)
	w.start()
	w.eventually("both are told after a restart", w.toldOf("pending", "shop pod.created", "other pod.created", "shop pod.deleted",
		"other pod.deleted", "shop pod.created"))
	w.eventually("both are told after a restart", w.toldOf("failed", "shop pod.created", "other pod.created", "shop pod.deleted"))
	ids := map[[2]string]bool{}
	for _, e := range w.events() {
		if k := [2]string{e.Source, e.ID}; ids[k] {
			t.Errorf("two events of %s have the id %s", e.Source, e.ID)
		} else {
			ids[k] = true
		}
	}
}

// pod returns a Pod that nothing runs.
func (w *world) pod(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "registry.example.com/shop:1"}}},
	}
}

// setPhase has a Pod be in a phase, as its kubelet would.
func (w *world) setPhase(pod *corev1.Pod, phase corev1.PodPhase) {
	w.Helper()
	pod.Status.Phase = phase
	if err := w.client.Status().Update(w.Context(), pod); err != nil {
		w.Fatal(err)
	}
}
