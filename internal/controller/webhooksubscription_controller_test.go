// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

var _ = Describe("A WebhookSubscription", func() {
	var namespace string
	BeforeEach(func(ctx SpecContext) { namespace = newNamespace(ctx, nil) })

	It("is Ready once its endpoint is and the dispatcher routes it", func(ctx SpecContext) {
		obj := newSubscription(namespace, "orders", "billing")
		create(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonEndpointNotFound, namespace+"/billing")
		Expect(condition(ctx, obj, hookv1.ConditionEndpointResolved)()).To(be(metav1.ConditionFalse, hookv1.ReasonEndpointNotFound))
		Expect(condition(ctx, obj, hookv1.ConditionReconciling)()).To(be(metav1.ConditionTrue, hookv1.ReasonEndpointNotFound))

		endpoint := newEndpoint(namespace, "billing")
		create(ctx, endpoint)
		expectReady(ctx, obj, metav1.ConditionUnknown, hookv1.ReasonWaitingForDispatcher)
		route(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionUnknown, hookv1.ReasonProgressing, "billing")
		Consistently(condition(ctx, obj, hookv1.ConditionReady)).Should(be(metav1.ConditionUnknown, hookv1.ReasonProgressing),
			"nobody can send there yet")
		route(ctx, endpoint)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded, namespace+"/billing")
		Expect(condition(ctx, obj, hookv1.ConditionFilterValid)()).To(be(metav1.ConditionTrue, hookv1.ReasonValid))
		Expect(condition(ctx, obj, hookv1.ConditionEndpointResolved)()).To(be(metav1.ConditionTrue, hookv1.ReasonResolved))
		Expect(obj.Status.Endpoint).To(Equal(namespace + "/billing"))
		Expect(obj.Status.Effective.Retry).To(Equal("8 retries over 17h42m35s, ±20 %"))
		Expect(obj.Status.Effective.MaxAge).To(Equal(hookv1.Duration("72h")))
	})

	ready := func(ctx context.Context, obj *hookv1.WebhookSubscription) {
		GinkgoHelper()
		create(ctx, obj)
		route(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
	}

	It("is False while its endpoint is, and comes back with it", func(ctx SpecContext) {
		endpoint := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		obj := newSubscription(namespace, "orders", "billing")
		ready(ctx, obj)
		dispatch(ctx, endpoint, isTrue(hookv1.ConditionRouted, hookv1.ReasonLoaded),
			isFalse(hookv1.ConditionDestinationAllowed, hookv1.ReasonAddressNotAllowed))
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonEndpointNotReady, "billing")
		route(ctx, endpoint)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
		Expect(admin.Delete(ctx, endpoint)).To(Succeed())
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonEndpointNotFound)
	})

	It("is Unknown after a change of spec, and stays Ready when deliveries fail", func(ctx SpecContext) {
		readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		obj := newSubscription(namespace, "orders", "billing")
		ready(ctx, obj)
		change(ctx, obj, func(s *hookv1.WebhookSubscription) { s.Spec.Filter = `event.type == "x"` })
		expectReady(ctx, obj, metav1.ConditionUnknown, hookv1.ReasonWaitingForDispatcher)
		route(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
		dispatch(ctx, obj, isTrue(hookv1.ConditionRouted, hookv1.ReasonLoaded), isFalse(hookv1.ConditionDelivering, hookv1.ReasonFailing))
		Consistently(condition(ctx, obj, hookv1.ConditionReady)).Should(be(metav1.ConditionTrue, hookv1.ReasonSucceeded))
	})

	It("is not written when nothing changed", func(ctx SpecContext) {
		readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		obj := newSubscription(namespace, "orders", "billing")
		ready(ctx, obj)
		poke(ctx, obj)
		version := obj.ResourceVersion
		Consistently(func() string { refresh(ctx, obj); return obj.ResourceVersion }).Should(Equal(version))
	})

	DescribeTable("stalls on what no retry can help, and goes on when it is corrected",
		func(ctx context.Context, reason string, messages []string, edit func(*hookv1.WebhookSubscriptionSpec)) {
			readyEndpoint(ctx, newEndpoint(namespace, "billing"))
			obj := newSubscription(namespace, "orders", "billing", func(s *hookv1.WebhookSubscription) { edit(&s.Spec) })
			create(ctx, obj)
			expectReady(ctx, obj, metav1.ConditionFalse, reason, messages...)
			Expect(condition(ctx, obj, hookv1.ConditionFilterValid)()).To(be(metav1.ConditionFalse, reason, messages...))
			Expect(condition(ctx, obj, hookv1.ConditionStalled)()).To(be(metav1.ConditionTrue, reason))
			Expect(condition(ctx, obj, hookv1.ConditionReconciling)()).To(BeNil())
			Expect(condition(ctx, obj, hookv1.ConditionEndpointResolved)()).To(be(metav1.ConditionTrue, hookv1.ReasonResolved),
				"one step's verdict does not keep the others from theirs")

			change(ctx, obj, func(s *hookv1.WebhookSubscription) { s.Spec.Filter, s.Spec.Payload = "", nil })
			route(ctx, obj)
			expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
			Expect(condition(ctx, obj, hookv1.ConditionStalled)()).To(BeNil())
		},
		Entry("a filter that does not compile", hookv1.ReasonInvalidFilter, []string{"spec.filter", "line 1, column 19", "https://cel.dev"},
			func(s *hookv1.WebhookSubscriptionSpec) { s.Filter = `event.data.total >` }),
		Entry("a filter that compares what does not compare", hookv1.ReasonInvalidFilter,
			[]string{"spec.filter", "line 1, column 10", "such as int(event.id) > 100"},
			func(s *hookv1.WebhookSubscriptionSpec) { s.Filter = `event.id > 100` }),
		Entry("a filter with a pattern that cannot be read", hookv1.ReasonInvalidFilter,
			[]string{"spec.filter", "line 1, column 18", "correct the pattern"},
			func(s *hookv1.WebhookSubscriptionSpec) { s.Filter = `event.id.matches("(")` }),
		Entry("a filter with a pattern out of the event", hookv1.ReasonInvalidFilter,
			[]string{"spec.filter", "line 1, column 17", "must be a literal string, such as"},
			func(s *hookv1.WebhookSubscriptionSpec) { s.Filter = `event.id.matches(event.data.pattern)` }),
		Entry("a filter that is no boolean", hookv1.ReasonInvalidFilter, []string{"spec.filter", "line 1, column 1:", "compare it with something"},
			func(s *hookv1.WebhookSubscriptionSpec) { s.Filter = `event.id + "x"` }),
		Entry("a filter that costs too much", hookv1.ReasonFilterTooExpensive, []string{"spec.filter", "line 1, column 1:", "loop over fewer elements"},
			func(s *hookv1.WebhookSubscriptionSpec) { s.Filter = expensive }),
		Entry("a transform that does not compile", hookv1.ReasonInvalidTransform,
			[]string{"spec.payload.transform", "line 1, column 16", "https://cel.dev"},
			func(s *hookv1.WebhookSubscriptionSpec) { s.Payload = &hookv1.Payload{Transform: `{"id": event.id`} }),
		Entry("a transform that costs too much", hookv1.ReasonTransformTooExpensive,
			[]string{"spec.payload.transform", "line 1, column 1:", "loop over fewer elements"},
			func(s *hookv1.WebhookSubscriptionSpec) { s.Payload = &hookv1.Payload{Transform: expensive} }),
	)

	Describe("of an endpoint in another namespace", func() {
		var theirs string
		var endpoint *hookv1.WebhookEndpoint
		admitting := func(allow *hookv1.AllowSubscriptions) func(*hookv1.WebhookEndpoint) {
			return func(e *hookv1.WebhookEndpoint) { e.Spec.AllowSubscriptions = allow }
		}
		across := func(s *hookv1.WebhookSubscription) {
			s.Spec.EndpointRef.Namespace = hookv1.NamespaceName(theirs)
		}
		BeforeEach(func(ctx SpecContext) { theirs = newNamespace(ctx, nil) })

		It("has one reason for an endpoint that is not there and for one that does not admit it", func(ctx SpecContext) {
			readyEndpoint(ctx, newEndpoint(theirs, "closed"))
			absent := newSubscription(namespace, "absent", "nowhere", across)
			closed := newSubscription(namespace, "closed", "closed", across)
			create(ctx, absent)
			create(ctx, closed)
			for _, obj := range []*hookv1.WebhookSubscription{absent, closed} {
				expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonRefNotPermitted, "allowSubscriptions")
				Expect(condition(ctx, obj, hookv1.ConditionReconciling)()).To(be(metav1.ConditionTrue, hookv1.ReasonRefNotPermitted))
			}
			neutral := func(s *hookv1.WebhookSubscription, name string) string {
				return strings.ReplaceAll(condition(ctx, s, hookv1.ConditionReady)().Message, name, "X")
			}
			Expect(neutral(absent, "nowhere")).To(Equal(neutral(closed, "closed")))
		})

		It("is admitted by All, and held when the grant is taken back", func(ctx SpecContext) {
			endpoint = readyEndpoint(ctx, newEndpoint(theirs, "open", admitting(&hookv1.AllowSubscriptions{From: hookv1.FromNamespacesAll})))
			Expect(credentialsOf(ctx, endpoint).AdmitsAll).To(BeTrue())
			obj := newSubscription(namespace, "orders", "open", across)
			ready(ctx, obj)
			Eventually(func() int32 { refresh(ctx, endpoint); return *endpoint.Status.Subscriptions }).Should(Equal(int32(1)))

			change(ctx, endpoint, admitting(nil))
			expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonRefNotPermitted)
			Eventually(func() bool { return credentialsOf(ctx, endpoint).AdmitsAll }).Should(BeFalse())
			Eventually(func() int32 { refresh(ctx, endpoint); return *endpoint.Status.Subscriptions }).Should(BeZero())
		})

		It("is admitted by the labels of its namespace, and only while it has them", func(ctx SpecContext) {
			endpoint = readyEndpoint(ctx, newEndpoint(theirs, "open", admitting(&hookv1.AllowSubscriptions{
				From: hookv1.FromNamespacesSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"hooks": namespace}},
			})))
			obj := newSubscription(namespace, "orders", "open", across)
			create(ctx, obj)
			route(ctx, obj)
			expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonRefNotPermitted)
			Expect(credentialsOf(ctx, endpoint).Admits).To(BeEmpty())

			label(ctx, namespace, map[string]string{"hooks": namespace})
			expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
			Eventually(func() []string { return credentialsOf(ctx, endpoint).Admits }).Should(Equal([]string{namespace}))
			label(ctx, namespace, nil)
			expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonRefNotPermitted)
			Eventually(func() []string { return credentialsOf(ctx, endpoint).Admits }).Should(BeEmpty())
		})
	})

	It("needs its dead-letter endpoint too", func(ctx SpecContext) {
		readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		obj := newSubscription(namespace, "orders", "billing", func(s *hookv1.WebhookSubscription) {
			s.Spec.DeadLetter = &hookv1.DeadLetter{EndpointRef: hookv1.EndpointRef{Name: "dlq"}}
		})
		create(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonDeadLetterEndpointNotFound, "dlq")
		dlq := newEndpoint(namespace, "dlq")
		create(ctx, dlq)
		route(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
		Eventually(func() int32 {
			refresh(ctx, dlq)
			if dlq.Status.Subscriptions == nil {
				return -1
			}
			return *dlq.Status.Subscriptions
		}).Should(Equal(int32(1)))
	})

	It("is counted by the endpoint that it names now", func(ctx SpecContext) {
		one, two := readyEndpoint(ctx, newEndpoint(namespace, "one")), readyEndpoint(ctx, newEndpoint(namespace, "two"))
		counts := func(want ...int32) {
			GinkgoHelper()
			Eventually(func() []int32 {
				refresh(ctx, one)
				refresh(ctx, two)
				return []int32{*one.Status.Subscriptions, *two.Status.Subscriptions}
			}).Should(Equal(want))
		}
		obj := newSubscription(namespace, "orders", "one")
		create(ctx, obj)
		counts(1, 0)
		change(ctx, obj, func(s *hookv1.WebhookSubscription) { s.Spec.EndpointRef.Name = "two" })
		counts(0, 1)
		Expect(admin.Delete(ctx, obj)).To(Succeed())
		counts(0, 0)
	})
})

// expensive loops 50 times over 50 times over 50 elements, whatever the event is.
var expensive = func() string {
	list := "[" + strings.TrimSuffix(strings.Repeat("1,", 50), ",") + "]"
	return list + ".map(a, " + list + ".map(b, " + list + ".map(c, c + 1))).size() > 0"
}()
