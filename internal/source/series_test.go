// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"encoding/json"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// series returns a source spec of Kubernetes Events of one reason.
func series(policy hookv1.EventSeries, expression string, operations ...hookv1.Operation) func(*hookv1.WebhookEventSourceSpec) {
	return func(s *hookv1.WebhookEventSourceSpec) {
		s.ServiceAccountName = "watcher"
		s.Resources = []hookv1.WatchedResource{{APIVersion: "events.k8s.io/v1", Kind: "Event"}}
		s.KubernetesEvents = &hookv1.KubernetesEvents{Series: policy, Reasons: []hookv1.EventReason{"BackOff"}}
		s.Data = &hookv1.EventData{Form: hookv1.DataFormObject}
		s.Operations = operations
		if expression != "" {
			s.When = &hookv1.When{Expression: expression}
		}
	}
}

// kubernetesEvent returns a Kubernetes Event that was last seen some time ago: where that is long enough, its series has
// ended as soon as it is seen.
func (w *world) kubernetesEvent(name, reason string, count int32, age time.Duration) *eventsv1.Event {
	seen := metav1.NewMicroTime(time.Now().Add(-age))
	return &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		EventTime:  seen, Series: &eventsv1.EventSeries{Count: count, LastObservedTime: seen},
		ReportingController: "example.com/test", ReportingInstance: "test-0",
		Action: "Restarting", Reason: reason, Type: corev1.EventTypeWarning,
		Regarding: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: w.namespace, Name: "shop-0"},
	}
}

func TestRunner_TellsOfSeriesOfWhichTheExpressionHolds(t *testing.T) {
	w := newWorld(t)
	w.grant("watcher", "events")
	w.start()
	w.source("finished", series(hookv1.EventSeriesFinished, ""))
	w.source("many", series(hookv1.EventSeriesFinished, `operation == "Updated" && object.series.count > 3`, hookv1.OperationCreated, hookv1.OperationUpdated))
	w.source("first", series(hookv1.EventSeriesFirst, "object.series.count > 3"))
	w.source("later", series(hookv1.EventSeriesFirst, "", hookv1.OperationUpdated))
	w.source("every", series(hookv1.EventSeriesEvery, "object.series.count > 3"))
	for name := range w.sources {
		w.awaitWatching(name)
	}
	const ended = time.Hour / 2
	few, lasts := w.kubernetesEvent("few", "BackOff", 2, ended), w.kubernetesEvent("lasts", "BackOff", 2, 0)
	w.create(w.kubernetesEvent("other", "Pulled", 9, ended), few, w.kubernetesEvent("many", "BackOff", 9, ended), lasts)
	for range 3 {
		lasts.Series.Count++
		lasts.Series.LastObservedTime = metav1.NowMicro()
		w.update(lasts)
	}
	w.eventually("each that has ended is told", w.toldOf("finished", "few event.updated", "many event.updated"))
	w.eventually("the one of which it holds is told", w.toldOf("many", "many event.updated"))
	w.eventually("the first is the first of which it holds", w.toldOf("first", "many event.created", "lasts event.updated"))
	w.eventually("the first is the first that is taken", w.toldOf("later", "lasts event.updated"))
	w.eventually("every one of which it holds is told", w.toldOf("every", "many event.created", "lasts event.updated", "lasts event.updated"))
	for _, e := range w.events() {
		var data struct {
			Name   string          `json:"name"`
			Object *eventsv1.Event `json:"object"`
		}
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Fatal(err)
		}
		if data.Object == nil || e.Extensions["reason"] != "BackOff" || e.Extensions["kubernetestype"] != "Warning" || e.Extensions["regardingname"] != "shop-0" {
			t.Errorf("%s says %v, %s", tellOf(e), e.Extensions, e.Data)
		}
		if tellOf(e) == "first lasts event.updated" && data.Object != nil && data.Object.Series.Count != 4 {
			t.Errorf("the first of which it holds is told at %d", data.Object.Series.Count)
		}
	}
	w.delete(lasts)
	w.eventually("the end of the object ends the series", w.toldOf("many", "many event.updated", "lasts event.updated"))
	w.eventually("the end of the object ends the series", w.toldOf("finished", "few event.updated", "many event.updated", "lasts event.updated"))
}
