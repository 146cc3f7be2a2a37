// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

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

		dispatch(ctx, obj, isFalse(hookv1.ConditionRouted, hookv1.ReasonInvalidSpec))
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonInvalidSpec)
		poke(ctx, obj)
		Eventually(eventsOf(ctx, obj)).Should(ConsistOf(append(all, "Warning InvalidSpec")))
	})

	It("count what repeats itself, and are not written anew", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		for range 3 {
			dispatch(ctx, obj, isFalse(hookv1.ConditionRouted, hookv1.ReasonInvalidSpec))
			expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonInvalidSpec)
			route(ctx, obj)
			expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
		}
		// The third repetition is counted in memory: the API server learns of it every half hour.
		Eventually(eventsOf(ctx, obj)).Should(ConsistOf("Normal SecretCreated",
			"Normal Succeeded", "Normal Succeeded", "Warning InvalidSpec", "Warning InvalidSpec"))
		list := &corev1.EventList{}
		Expect(admin.List(ctx, list, client.InNamespace(namespace))).To(Succeed())
		Expect(list.Items).To(HaveLen(3))
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

	It("tell once what was done, though the status could not be written at first", func(ctx SpecContext) {
		failures := 0
		faults.inject(func(verb string, _ any) error {
			if failures++; verb == "apply" && failures < 4 {
				return apierrors.NewConflict(hookv1.Resource("x"), "x", errors.New("injected conflict"))
			}
			return nil
		})
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		Eventually(eventsOf(ctx, obj)).Should(ConsistOf("Normal SecretCreated", "Normal Succeeded"))
	})

	It("tell of a key though what comes after it fails", func(ctx SpecContext) {
		failing := true
		faults.inject(func(_ string, o any) error {
			if s, ok := o.(*corev1.Secret); ok && s.Namespace == ownNamespace && failing {
				failing = false
				return errors.New("injected fault")
			}
			return nil
		})
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		Eventually(eventsOf(ctx, obj)).Should(ConsistOf("Normal SecretCreated", "Normal Succeeded"))
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
