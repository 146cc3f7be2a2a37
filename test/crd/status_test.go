// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package crd

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	applyv1 "github.com/posthorn-dev/posthorn/internal/applyconfiguration/api/v1alpha1"
)

var _ = Describe("Defaults", func() {
	It("of an endpoint define meaning and leave tunables open", func(ctx SpecContext) {
		own := newNamespace(ctx)
		e := store(ctx, own, "WebhookEndpoint", "billing", `{url: "https://a.example.com", tls: {caRef: {name: ca}}, rateLimit: {requests: 1}, circuitBreaker: {probes: 1}}`)
		Expect(e.(*hookv1.WebhookEndpoint).Spec).To(Equal(hookv1.WebhookEndpointSpec{
			URL:            "https://a.example.com",
			Signing:        &hookv1.Signing{Scheme: hookv1.SigningSchemeStandardWebhooks, DeletionPolicy: hookv1.DeletionPolicyRetain},
			TLS:            &hookv1.TLS{CARef: &hookv1.CARef{Kind: hookv1.CARefKindConfigMap, Name: "ca", Key: "ca.crt"}},
			RateLimit:      &hookv1.RateLimit{Requests: 1, Per: "1s"},
			CircuitBreaker: &hookv1.CircuitBreaker{Probes: 1, Scope: hookv1.CircuitScopeEndpoint},
			Suspend:        new(bool),
		}))
		expectNotObserved(e.(*hookv1.WebhookEndpoint).Status.ObservedGeneration)
	})

	It("of a Service and of allowSubscriptions are http and Same", func(ctx SpecContext) {
		own := newNamespace(ctx)
		e := store(ctx, own, "WebhookEndpoint", "billing", `{serviceRef: {name: a, port: 80}, allowSubscriptions: {}}`)
		Expect(e.(*hookv1.WebhookEndpoint).Spec.ServiceRef.Scheme).To(Equal(hookv1.ServiceSchemeHTTP))
		Expect(e.(*hookv1.WebhookEndpoint).Spec.AllowSubscriptions.From).To(Equal(hookv1.FromNamespacesSame))
	})

	It("of a subscription define meaning and leave tunables open", func(ctx SpecContext) {
		own := newNamespace(ctx)
		s := store(ctx, own, "WebhookSubscription", "orders", `{endpointRef: {name: a}, eventTypes: ["*"], retry: {type: Exponential, exponential: {initial: 1s, max: 1h, attempts: 5}}}`)
		Expect(s.(*hookv1.WebhookSubscription).Spec).To(Equal(hookv1.WebhookSubscriptionSpec{
			EndpointRef: hookv1.EndpointRef{Name: "a"},
			EventTypes:  []hookv1.EventTypePattern{"*"},
			Payload:     &hookv1.Payload{Format: hookv1.PayloadFormatCloudEvents},
			Retry: &hookv1.Retry{Type: hookv1.RetryTypeExponential, Exponential: &hookv1.RetryExponential{
				Initial: "1s", Max: "1h", Multiplier: 2, Attempts: 5,
			}},
			Suspend: new(bool),
		}))
		expectNotObserved(s.(*hookv1.WebhookSubscription).Status.ObservedGeneration)
	})

	It("of an event source define meaning, and leave open which operations are meant", func(ctx SpecContext) {
		own := newNamespace(ctx)
		s := store(ctx, own, "WebhookEventSource", "pods", `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod}], when: {expression: "true"}}`)
		Expect(s.(*hookv1.WebhookEventSource).Spec).To(Equal(hookv1.WebhookEventSourceSpec{
			ServiceAccountName: "a",
			Resources:          []hookv1.WatchedResource{{APIVersion: "v1", Kind: "Pod"}},
			Namespaces:         &hookv1.WatchedNamespaces{From: hookv1.FromNamespacesSame},
			When:               &hookv1.When{Expression: "true", Emit: hookv1.EmitEveryMatch},
			Data:               &hookv1.EventData{Form: hookv1.DataFormReference},
			InitialObjects:     hookv1.InitialObjectsIgnore,
			Suspend:            new(bool),
		}))
		expectNotObserved(s.(*hookv1.WebhookEventSource).Status.ObservedGeneration)
	})
})

var _ = Describe("A status", func() {
	It("is shared by two writers, of whom neither sees the other's conditions go", func(ctx SpecContext) {
		own := newNamespace(ctx)
		store(ctx, own, "WebhookEndpoint", "billing", `{url: "https://a.example.com"}`)
		operator := func(status *applyv1.WebhookEndpointStatusApplyConfiguration) {
			applyStatus(ctx, hookv1.FieldManagerOperator, applyv1.WebhookEndpoint("billing", own).WithStatus(status))
		}
		dispatcher := func(status *applyv1.WebhookEndpointStatusApplyConfiguration) {
			applyStatus(ctx, hookv1.FieldManagerDispatcher, applyv1.WebhookEndpoint("billing", own).WithStatus(status))
		}
		operator(applyv1.WebhookEndpointStatus().WithObservedGeneration(1).WithConditions(
			readyCondition(hookv1.ConditionReady, hookv1.ReasonSucceeded),
			readyCondition(hookv1.ConditionReconciling, hookv1.ReasonProgressing)))
		dispatcher(applyv1.WebhookEndpointStatus().
			WithCircuit(applyv1.CircuitStatus().WithState(hookv1.CircuitStateClosed)).
			WithConditions(readyCondition(hookv1.ConditionRouted, hookv1.ReasonLoaded)))
		operator(applyv1.WebhookEndpointStatus().WithObservedGeneration(1).WithConditions(
			readyCondition(hookv1.ConditionReady, hookv1.ReasonSucceeded)))

		got := get(ctx, own, "WebhookEndpoint", "billing").(*hookv1.WebhookEndpoint)
		Expect(got.Status.Conditions).To(HaveLen(2))
		Expect(meta.IsStatusConditionTrue(got.Status.Conditions, hookv1.ConditionReady)).To(BeTrue())
		Expect(meta.IsStatusConditionTrue(got.Status.Conditions, hookv1.ConditionRouted)).To(BeTrue())
		Expect(got.Status.Circuit.State).To(Equal(hookv1.CircuitStateClosed))
	})

	It("does not change when its writer applies it again", func(ctx SpecContext) {
		own := newNamespace(ctx)
		store(ctx, own, "WebhookSubscription", "orders", `{endpointRef: {name: a}, eventTypes: ["*"]}`)
		// Made anew for each apply, which fills it with the answer.
		status := func() runtime.ApplyConfiguration {
			return applyv1.WebhookSubscription("orders", own).WithStatus(applyv1.WebhookSubscriptionStatus().
				WithConditions(readyCondition(hookv1.ConditionDelivering, hookv1.ReasonHealthy)).
				WithDeliveries(applyv1.SubscriptionDeliveries().WithMatched(3).WithDelivered(2).WithPending(1)).
				WithRecentFailures(applyv1.RecentFailure().WithEventID("a").WithEventType("b").WithAttempt(1).WithStatusCode(500)))
		}
		applyStatus(ctx, hookv1.FieldManagerDispatcher, status())
		before := get(ctx, own, "WebhookSubscription", "orders").GetResourceVersion()
		applyStatus(ctx, hookv1.FieldManagerDispatcher, status())
		Expect(get(ctx, own, "WebhookSubscription", "orders").GetResourceVersion()).To(Equal(before))
	})

	It("is not changed by who changes the spec, nor does it count as a generation", func(ctx SpecContext) {
		own := newNamespace(ctx)
		e := store(ctx, own, "WebhookEndpoint", "billing", `{url: "https://a.example.com"}`).(*hookv1.WebhookEndpoint)
		e.Status.Host = "elsewhere.example.com"
		e.Spec.URL = "https://b.example.com"
		Expect(k8s.Update(ctx, e)).To(Succeed())
		Expect(e.Generation).To(BeEquivalentTo(2))
		Expect(e.Status.Host).To(BeEmpty())
		applyStatus(ctx, hookv1.FieldManagerOperator, applyv1.WebhookEndpoint("billing", own).
			WithStatus(applyv1.WebhookEndpointStatus().WithHost("b.example.com")))
		Expect(get(ctx, own, "WebhookEndpoint", "billing").GetGeneration()).To(BeEquivalentTo(2))
	})
})

// store creates an object and returns it as the API server stored it.
func store(ctx context.Context, own, kind, name, spec string) client.Object {
	GinkgoHelper()
	obj := newObject(kind, name, parse(spec))
	obj.SetNamespace(own)
	Expect(k8s.Create(ctx, obj)).To(Succeed())
	return get(ctx, own, kind, name)
}

func get(ctx context.Context, own, kind, name string) client.Object {
	GinkgoHelper()
	stored, err := k8s.Scheme().New(hookv1.GroupVersion.WithKind(kind))
	Expect(err).NotTo(HaveOccurred())
	obj := stored.(client.Object)
	Expect(k8s.Get(ctx, client.ObjectKey{Namespace: own, Name: name}, obj)).To(Succeed())
	return obj
}

// applyStatus applies a status as one of its two writers does, without force.
func applyStatus(ctx context.Context, manager string, config runtime.ApplyConfiguration) {
	GinkgoHelper()
	Expect(k8s.Status().Apply(ctx, config, client.FieldOwner(manager))).To(Succeed())
}

func readyCondition(conditionType, reason string) *applymetav1.ConditionApplyConfiguration {
	return applymetav1.Condition().WithType(conditionType).WithStatus(metav1.ConditionTrue).
		WithReason(reason).WithMessage("All is well.").WithObservedGeneration(1).
		WithLastTransitionTime(metav1.Unix(1_700_000_000, 0))
}

func expectNotObserved(generation *int64) {
	GinkgoHelper()
	Expect(generation).To(HaveValue(BeEquivalentTo(-1)))
}
