// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

var _ = Describe("Kubernetes Events", func() {
	var namespace string
	BeforeEach(func(ctx SpecContext) { namespace = newNamespace(ctx, nil) })

	It("tell transitions, and nothing while all stays as it is", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		all := []string{"Normal SecretCreated", "Normal Succeeded"}
		Eventually(eventsOf(ctx, obj)).Should(ConsistOf(all))
		for range 3 {
			poke(ctx, obj)
		}
		Consistently(eventsOf(ctx, obj)).Should(ConsistOf(all))

		for range 2 {
			dispatch(ctx, obj, isFalse(hookv1.ConditionRouted, hookv1.ReasonInvalidSpec))
			expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonInvalidSpec)
			poke(ctx, obj)
			route(ctx, obj)
			expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
			all = append(all, "Warning InvalidSpec", "Normal Succeeded")
			Eventually(eventsOf(ctx, obj)).Should(ConsistOf(all), "a repetition is counted, not written anew")
		}
	})

	It("leave to the dispatcher what it tells itself", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		dispatch(ctx, obj, isTrue(hookv1.ConditionRouted, hookv1.ReasonLoaded),
			isFalse(hookv1.ConditionDestinationAllowed, hookv1.ReasonAddressNotAllowed))
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonAddressNotAllowed)
		Eventually(eventsOf(ctx, obj)).Should(ConsistOf("Normal SecretCreated", "Normal Succeeded"))
		Consistently(eventsOf(ctx, obj)).Should(HaveLen(2))
	})

	It("tell a new cause of the same state, and no state in between", func(ctx SpecContext) {
		obj := newSubscription(namespace, "orders", "billing")
		create(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonEndpointNotFound)
		readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		expectReady(ctx, obj, metav1.ConditionUnknown, hookv1.ReasonWaitingForDispatcher)
		change(ctx, obj, func(s *hookv1.WebhookSubscription) { s.Spec.Filter = "event.nonsense(" })
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonInvalidFilter)
		Eventually(eventsOf(ctx, obj)).Should(ConsistOf("Warning EndpointNotFound", "Warning InvalidFilter"))
	})

	It("do not repeat what a restarted operator finds unchanged", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		Eventually(eventsOf(ctx, obj)).Should(ConsistOf("Normal SecretCreated", "Normal Succeeded"))
		operator.stop()
		operator = startOperator(context.Background())
		poke(ctx, obj)
		Consistently(eventsOf(ctx, obj)).Should(ConsistOf("Normal SecretCreated", "Normal Succeeded"))
	})
})
