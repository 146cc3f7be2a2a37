// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// requestsIn counts what the operator asked of the API server in a namespace, by verb and resource, but
// for Kubernetes Events, which are written in their own time.
func requestsIn(namespace string) map[string]int {
	GinkgoHelper()
	out := map[string]int{}
	for _, e := range operatorRequests() {
		if e.Namespace == namespace && e.Resource != "events" {
			out[e.Verb+" "+e.Resource]++
		}
	}
	return out
}

var _ = Describe("Many endpoints, with a subscription each and many to one", func() {
	It("cost a few requests each, and none once all is well", func(ctx SpecContext) {
		const n = 15
		namespace := newNamespace(ctx, nil)
		endpoint := func(i int) *hookv1.WebhookEndpoint { return newEndpoint(namespace, fmt.Sprintf("e%d", i)) }
		subscription := func(i, to int) *hookv1.WebhookSubscription {
			return newSubscription(namespace, fmt.Sprintf("s%d-%d", i, to), endpoint(to).Name)
		}
		for i := range n {
			create(ctx, endpoint(i))
			create(ctx, subscription(i, i))
			create(ctx, subscription(n+i, 0))
		}
		for i := range n {
			route(ctx, endpoint(i))
			route(ctx, subscription(i, i))
			route(ctx, subscription(n+i, 0))
		}
		for i := range n {
			expectReady(ctx, endpoint(i), metav1.ConditionTrue, hookv1.ReasonSucceeded)
			expectReady(ctx, subscription(i, i), metav1.ConditionTrue, hookv1.ReasonSucceeded)
			expectReady(ctx, subscription(n+i, 0), metav1.ConditionTrue, hookv1.ReasonSucceeded)
		}
		Eventually(func() int32 { o := endpoint(0); refresh(ctx, o); return *o.Status.Subscriptions }).Should(BeEquivalentTo(n + 1))

		asked := requestsIn(namespace)
		Expect(asked["create secrets"]).To(Equal(n))
		Expect(asked["get secrets"]).To(BeNumerically("<=", 2*n), "what the cache holds is not asked for")
		// Found, routed, and one for each thing that comes in between; the first endpoint counts.
		Expect(asked["patch webhookendpoints/status"]).To(BeNumerically("<=", 5*n))
		Expect(asked["patch webhooksubscriptions/status"]).To(BeNumerically("<=", 2*4*n))

		By("looking at all of them again")
		operator.base.Dispatcher.notify()
		Consistently(func() map[string]int { return requestsIn(namespace) }).WithPolling(5 * poll).Should(Equal(asked))
	})
})

var _ = Describe("Many event sources", func() {
	It("cost a few requests each, and none once all is well", func(ctx SpecContext) {
		const n = 15
		namespace := newNamespace(ctx, nil)
		source := func(i int) *hookv1.WebhookEventSource {
			return newSource(namespace, fmt.Sprintf("s%d", i), saying("object.status.availableReplicas < object.spec.replicas"))
		}
		for i := range n {
			create(ctx, source(i))
		}
		for i := range n {
			seen(ctx, source(i))
		}
		for i := range n {
			expectReady(ctx, source(i), metav1.ConditionTrue, hookv1.ReasonSucceeded)
		}
		asked := requestsIn(namespace)
		// Found, seen, and one for what comes in between.
		Expect(asked["patch webhookeventsources/status"]).To(BeNumerically("<=", 4*n))

		By("looking at all of them again")
		operator.base.Dispatcher.notify()
		Consistently(func() map[string]int { return requestsIn(namespace) }).WithPolling(5 * poll).Should(Equal(asked))
	})
})
