// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	acmetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	applyv1 "github.com/posthorn-dev/posthorn/internal/applyconfiguration/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/breaker"
)

// operatorApplies writes a part of the operator's status, as the operator does.
func (w *world) operatorApplies(name, host string) error {
	w.Helper()
	status := applyv1.WebhookEndpointStatus().WithObservedGeneration(1).WithHost(host).WithConditions(
		acmetav1.Condition().WithType(hookv1.ConditionReady).WithStatus(metav1.ConditionUnknown).
			WithReason(hookv1.ReasonProgressing).WithMessage(host).WithObservedGeneration(1).
			WithLastTransitionTime(metav1.NewTime(noon)))
	return w.client.Status().Apply(w.Context(), applyv1.WebhookEndpoint(name, w.namespace).WithStatus(status),
		client.FieldOwner(hookv1.FieldManagerOperator))
}

func TestAPIServer_TwoFieldManagersDoNotConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.endpoint("billing")
	k := key{hookv1.KindWebhookEndpoint, f.Name}
	sink := apiSink{w.client, w.client}
	for _, host := range []string{"first.example.com", "second.example.com"} {
		if err := w.operatorApplies("billing", host); err != nil {
			t.Fatalf("operator: %v", err)
		}
		f.Counts.Delivered++
		if err := sink.apply(t.Context(), k, f.UID, f.wanted(&state{}, noon)); err != nil {
			t.Fatalf("dispatcher: %v", err)
		}
	}
	got := w.readEndpoint("billing")
	if got.Status.Host != "second.example.com" || *got.Status.ObservedGeneration != 1 || *got.Status.Deliveries.Delivered != 2 {
		t.Errorf("got %+v", got.Status)
	}
	for _, c := range []string{
		hookv1.ConditionReady, hookv1.ConditionRouted, hookv1.ConditionCircuitClosed, hookv1.ConditionDestinationAllowed,
	} {
		if meta.FindStatusCondition(got.Status.Conditions, c) == nil {
			t.Errorf("condition %s is missing", c)
		}
	}
	for _, m := range got.ManagedFields {
		ownsHost := strings.Contains(m.FieldsV1.String(), `"f:host"`)
		if m.Manager == hookv1.FieldManagerDispatcher && (ownsHost || strings.Contains(m.FieldsV1.String(), "Ready")) {
			t.Errorf("the dispatcher owns a field of the operator's: %s", m.FieldsV1)
		}
	}
}

func TestAPIServer_AConditionThatNoLongerAppliesGoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.endpoint("billing")
	k := key{hookv1.KindWebhookEndpoint, f.Name}
	f.DisabledSince, f.DisabledReason = noon, DisabledGone
	first := f.wanted(&state{}, noon)
	f.DisabledSince, f.DestinationChecked = time.Time{}, false
	for _, s := range []*state{first, f.wanted(&state{}, noon)} {
		if err := (apiSink{w.client, w.client}).apply(t.Context(), k, f.UID, s); err != nil {
			t.Fatal(err)
		}
	}
	got := w.readEndpoint("billing").Status
	if got.Disabled != nil || meta.FindStatusCondition(got.Conditions, hookv1.ConditionDestinationAllowed) != nil {
		t.Errorf("got %+v", got)
	}
}

func TestAPIServer_ASecondIdenticalApplyIsNoWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.endpoint("billing")
	var versions []string
	for range 2 {
		if err := (apiSink{w.client, w.client}).apply(t.Context(), key{hookv1.KindWebhookEndpoint, f.Name}, f.UID, f.wanted(&state{}, noon)); err != nil {
			t.Fatal(err)
		}
		versions = append(versions, w.readEndpoint("billing").ResourceVersion)
	}
	if versions[0] != versions[1] {
		t.Errorf("the second apply wrote: %v", versions)
	}
}

func TestAPIServer_TakesWhatTheBoundsAdmit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := Failure{
		Time: noon, EventID: strings.Repeat("é", 5000), EventType: strings.Repeat("t", 5000), Attempt: 1 << 40, StatusCode: 5000,
		Reason: strings.Repeat("R", 500), Message: strings.Repeat("m", 5000), NextAttempt: noon,
	}
	counts := Counts{
		Matched: -1, Delivered: 1 << 60, FailedAttempts: 1, Pending: -5, DeadLettered: 2, OldestPending: noon, LastSuccess: noon, LastFailure: noon,
	}
	e := w.endpoint("billing")
	e.LastFailure, e.Counts, e.HandledEnable = &long, counts, strings.Repeat("x", 5000)
	e.Circuit = breaker.Snapshot{State: breaker.Open, Since: noon, ConsecutiveFailures: 1 << 40, NextProbe: noon}
	e.DisabledSince, e.DisabledReason = noon, DisabledFailing
	s := w.subscription("orders")
	s.Counts, s.RecentFailures = counts, []Failure{long, long, long, long, long, long}
	s.Delivering, s.DeliveringDetail = Failing, strings.Repeat("d", 5000)
	sink := apiSink{w.client, w.client}
	if err := sink.apply(t.Context(), key{hookv1.KindWebhookEndpoint, e.Name}, e.UID, e.wanted(&state{}, noon)); err != nil {
		t.Error(err)
	}
	if err := sink.apply(t.Context(), key{hookv1.KindWebhookSubscription, s.Name}, s.UID, s.wanted(&state{}, noon)); err != nil {
		t.Error(err)
	}
	// What was written reads back as nothing to write.
	stored := storedEndpoint(&w.readEndpoint("billing").Status)
	if got := urgencyOf(stored, e.wanted(stored, noon)); got != none {
		t.Errorf("urgency of what is stored: got %d, want none", got)
	}
}

func TestAPIServer_ForcesOnlyWhatNobodyElseMayWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.endpoint("billing")
	k := key{hookv1.KindWebhookEndpoint, f.Name}
	takeOver := func(manager string) {
		t.Helper()
		status := applyv1.WebhookEndpointStatus().WithLastHandledEnable(manager)
		err := w.client.Status().Apply(t.Context(), applyv1.WebhookEndpoint("billing", w.namespace).WithStatus(status),
			client.FieldOwner(manager), client.ForceOwnership)
		if err != nil {
			t.Fatal(err)
		}
	}
	f.HandledEnable = "mine"
	takeOver("someone")
	if err := (apiSink{w.client, w.client}).apply(t.Context(), k, f.UID, f.wanted(&state{}, noon)); err != nil {
		t.Errorf("what somebody edited is not taken back: %v", err)
	}
	takeOver(hookv1.FieldManagerOperator)
	err := (apiSink{w.client, w.client}).apply(t.Context(), k, f.UID, f.wanted(&state{}, noon))
	if !apierrors.IsConflict(err) || errors.Is(err, errOtherObject) {
		t.Errorf("a conflict with the operator: got %v, want it returned", err)
	}
	if got := w.readEndpoint("billing").Status.LastHandledEnable; got != hookv1.FieldManagerOperator {
		t.Errorf("the operator's value was forced to %q", got)
	}
}

func TestAPIServer_TellsAnotherObjectAndNoneApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.endpoint("billing")
	k := key{hookv1.KindWebhookEndpoint, f.Name}
	err := (apiSink{w.client, w.client}).apply(t.Context(), k, "b2d5ff0e-7f0f-4b4e-9f1e-2f6f3a8f0c11", f.wanted(&state{}, noon))
	if !errors.Is(err, errOtherObject) {
		t.Errorf("another UID: got %v", err)
	}
	if got := w.readEndpoint("billing").Status.Deliveries; got != nil {
		t.Errorf("the facts about another object were written: %+v", got)
	}
	k.name.Name = "absent"
	if err := (apiSink{w.client, w.client}).apply(t.Context(), k, f.UID, f.wanted(&state{}, noon)); !errors.Is(err, errOtherObject) {
		t.Errorf("an object that is not there: got %v", err)
	}
}

// late is an informer that has not yet heard of what came after it was made.
type late struct {
	client.Reader
	seen *hookv1.WebhookEndpoint
}

func (l late) Get(_ context.Context, _ client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	l.seen.DeepCopyInto(into.(*hookv1.WebhookEndpoint))
	return nil
}

func TestAPIServer_NeverWritesToTheNextObjectOfTheName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.endpoint("billing")
	sink := apiSink{w.client, late{seen: w.readEndpoint("billing")}}
	if err := w.client.Delete(t.Context(), w.readEndpoint("billing")); err != nil {
		t.Fatal(err)
	}
	w.endpoint("billing")
	err := sink.apply(t.Context(), key{hookv1.KindWebhookEndpoint, f.Name}, f.UID, f.wanted(&state{}, noon))
	if !errors.Is(err, errOutdated) {
		t.Errorf("got %v, want errOutdated", err)
	}
	if got := w.readEndpoint("billing").Status; got.Conditions != nil || got.Deliveries != nil {
		t.Errorf("the facts about the object before were written: %+v", got)
	}
}

func TestAPIServer_NothingIsWrittenWhileNothingChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.endpoint("billing")
	f.Counts = Counts{Delivered: 7, LastSuccess: noon}
	first := w.write(w.plane.Config())
	first.UpdateEndpoint(f)
	w.eventually("the status", func() bool { return w.readEndpoint("billing").Status.Deliveries != nil })
	version := w.readEndpoint("billing").ResourceVersion

	// The same facts again, and from a dispatcher that started anew: what each writes next is the first
	// status of another object, behind which a write of this one would have come before.
	for i, writer := range []*Writer{first, w.write(w.plane.Config())} {
		writer.UpdateEndpoint(f)
		name := []string{"one", "two"}[i]
		writer.UpdateEndpoint(w.endpoint(name))
		w.eventually("the other status", func() bool { return w.readEndpoint(name).Status.Deliveries != nil })
	}
	if got := w.readEndpoint("billing").ResourceVersion; got != version {
		t.Errorf("resourceVersion went from %s to %s", version, got)
	}
}

// circuitEvent returns the Kubernetes Event that tells of the endpoint's open circuit, or nil.
func (w *world) circuitEvent(f *EndpointFacts) *eventsv1.Event {
	w.Helper()
	var list eventsv1.EventList
	if err := w.client.List(w.Context(), &list, client.InNamespace(w.namespace)); err != nil {
		w.Fatal(err)
	}
	for i, e := range list.Items {
		if e.Reason == hookv1.ReasonCircuitOpen && e.Regarding.Name == f.Name.Name && string(e.Regarding.UID) == f.UID {
			return &list.Items[i]
		}
	}
	return nil
}

func TestAPIServer_TheRightsOfTheMarkersAreEnough(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config := w.account([]rbacv1.PolicyRule{
		{APIGroups: []string{hookv1.GroupName}, Resources: []string{"webhookendpoints/status", "webhooksubscriptions/status", "webhookeventsources/status", "webhookeventtypes/status"}, Verbs: []string{"patch"}},
		{APIGroups: []string{"events.k8s.io"}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}},
	}, []rbacv1.PolicyRule{
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{LeaseName}, Verbs: []string{"create", "patch"}},
	})
	writer := w.write(config)
	f := w.endpoint("billing")
	f.Circuit = breaker.Snapshot{State: breaker.Open, Since: time.Now(), NextProbe: time.Now().Add(time.Minute)}
	writer.UpdateEndpoint(f)
	writer.UpdateSubscription(w.subscription("orders"))
	source := w.source("pods")
	writer.UpdateSource(source)
	w.eventually("Watching of the event source", func() bool {
		return meta.IsStatusConditionTrue(w.readSource("pods").Status.Conditions, hookv1.ConditionWatching)
	})
	w.eventually("the Kubernetes Event of the circuit", func() bool { return w.circuitEvent(&f) != nil })
	// Once more: the recorder makes a series of it, by a patch.
	for _, state := range []breaker.State{breaker.Closed, breaker.Open} {
		f.Circuit.State = state
		writer.UpdateEndpoint(f)
		w.eventually("the circuit "+string(state), func() bool {
			return string(w.readEndpoint("billing").Status.Circuit.State) == string(state)
		})
	}
	w.eventually("the series of the Kubernetes Event", func() bool { return w.circuitEvent(&f).Series != nil })
	w.eventually("Routed of the subscription", func() bool {
		obj := &hookv1.WebhookSubscription{}
		if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "orders"}, obj); err != nil {
			t.Fatal(err)
		}
		return meta.IsStatusConditionTrue(obj.Status.Conditions, hookv1.ConditionRouted)
	})

	lease, err := NewLease(LeaseOptions{Config: config, Namespace: w.namespace, Identity: "dispatcher-0"})
	if err != nil {
		t.Fatal(err)
	}
	var renewals []time.Time
	for range 2 {
		if err := lease.renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		obj := &coordinationv1.Lease{}
		if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: LeaseName}, obj); err != nil {
			t.Fatal(err)
		}
		if *obj.Spec.HolderIdentity != "dispatcher-0" {
			t.Errorf("holder: got %q", *obj.Spec.HolderIdentity)
		}
		renewals = append(renewals, obj.Spec.RenewTime.Time)
	}
	if !renewals[1].After(renewals[0]) {
		t.Errorf("the second renewal is not later: %v", renewals)
	}
}
