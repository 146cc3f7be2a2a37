// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
)

var _ = Describe("A WebhookEndpoint", func() {
	var namespace string
	BeforeEach(func(ctx SpecContext) { namespace = newNamespace(ctx, nil) })

	It("waits for the dispatcher, and is Ready once it is routed", func(ctx SpecContext) {
		obj := newEndpoint(namespace, "billing")
		create(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionUnknown, hookv1.ReasonWaitingForDispatcher, "generation 1 of WebhookEndpoint billing")
		Expect(condition(ctx, obj, hookv1.ConditionReconciling)()).To(be(metav1.ConditionTrue, hookv1.ReasonWaitingForDispatcher))

		dispatch(ctx, obj, isTrue(hookv1.ConditionRouted, hookv1.ReasonLoaded))
		Consistently(condition(ctx, obj, hookv1.ConditionReady)).Should(be(metav1.ConditionUnknown, hookv1.ReasonWaitingForDispatcher))

		route(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded, "billing.example.com")
		Expect(condition(ctx, obj, hookv1.ConditionReconciling)()).To(BeNil())
		Expect(condition(ctx, obj, hookv1.ConditionServiceResolved)()).To(BeNil(), "it does not apply")
	})

	It("shows host, effective values and the signing key's id", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing", func(e *hookv1.WebhookEndpoint) { e.Spec.Timeout = "3s" }))
		Expect(obj.Status.Host).To(Equal("billing.example.com"))
		Expect(obj.Status.Effective.Timeout).To(Equal(hookv1.Duration("3s")))
		Expect(obj.Status.Effective.Concurrency).To(Equal(int32(16)))
		Expect(obj.Status.Effective.CircuitBreaker.MaxOpenDuration).To(Equal(hookv1.Duration("10m")))
		Expect(obj.Status.Signing.SecretName).To(Equal("billing-signing"))
		Expect(obj.Status.Signing.KeyID).NotTo(BeEmpty())
		Expect(*obj.Status.Subscriptions).To(BeZero())
		Expect(*obj.Status.ObservedGeneration).To(Equal(obj.Generation))
	})

	It("is Unknown at once after a change of spec, until the dispatcher routes the new generation", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		change(ctx, obj, func(e *hookv1.WebhookEndpoint) { e.Spec.URL = "https://other.example.com" })
		expectReady(ctx, obj, metav1.ConditionUnknown, hookv1.ReasonWaitingForDispatcher)
		Expect(obj.Status.Host).To(Equal("other.example.com"))
		route(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
	})

	It("is False, and may come right, when the dispatcher refuses the destination", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		dispatch(ctx, obj, isTrue(hookv1.ConditionRouted, hookv1.ReasonLoaded),
			isFalse(hookv1.ConditionDestinationAllowed, hookv1.ReasonAddressNotAllowed))
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonAddressNotAllowed)
		Expect(condition(ctx, obj, hookv1.ConditionReconciling)()).To(be(metav1.ConditionTrue, hookv1.ReasonAddressNotAllowed))
		Expect(condition(ctx, obj, hookv1.ConditionStalled)()).To(BeNil())
		route(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
	})

	It("stays Ready when the receiver is down", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		dispatch(ctx, obj, isTrue(hookv1.ConditionRouted, hookv1.ReasonLoaded), isTrue(hookv1.ConditionDestinationAllowed, hookv1.ReasonAllowed),
			isFalse(hookv1.ConditionCircuitClosed, hookv1.ReasonCircuitOpen))
		Consistently(condition(ctx, obj, hookv1.ConditionReady)).Should(be(metav1.ConditionTrue, hookv1.ReasonSucceeded))
	})

	It("is written only when something changed", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		poke(ctx, obj)
		version, ready := obj.ResourceVersion, condition(ctx, obj, hookv1.ConditionReady)()
		Consistently(func() string { refresh(ctx, obj); return obj.ResourceVersion }).Should(Equal(version))
		Expect(condition(ctx, obj, hookv1.ConditionReady)()).To(Equal(ready), "the transition time stands still")
	})

	It("takes back what somebody else wrote into its status", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		before := obj.DeepCopy()
		obj.Status.Host = "evil.example.com"
		Expect(admin.Status().Patch(ctx, obj, client.MergeFrom(before))).To(Succeed())
		Eventually(func() string { refresh(ctx, obj); return obj.Status.Host }).Should(Equal("billing.example.com"))
	})

	It("leaves no credentials behind when it is deleted", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		Expect(credentialsOf(ctx, obj)).NotTo(BeNil())
		Expect(admin.Delete(ctx, obj)).To(Succeed())
		Eventually(func() *compile.Credentials { return credentialsOf(ctx, obj) }).Should(BeNil())
		Expect(apierrors.IsNotFound(admin.Get(ctx, client.ObjectKeyFromObject(obj), obj))).To(BeTrue(), "no finalizer holds it")
	})

	It("has its credentials restored when somebody deletes or changes them", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		want := credentialsOf(ctx, obj)
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ownNamespace, Name: compile.CredentialsName(namespace, "billing")}}
		Expect(admin.Delete(ctx, secret)).To(Succeed())
		Eventually(func() *compile.Credentials { return credentialsOf(ctx, obj) }).Should(Equal(want))
		change(ctx, secret, func(s *corev1.Secret) { s.Data[compile.CredentialsKey] = []byte("{") })
		Eventually(func() *compile.Credentials { return credentialsOf(ctx, obj) }).Should(Equal(want))
	})

	It("says that a new generation is being looked at while the API server refuses its Secret", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		faults.inject(func(verb string, o any) error {
			if s, ok := o.(*corev1.Secret); ok && s.Namespace == ownNamespace {
				return errors.New("injected fault")
			}
			return nil
		})
		change(ctx, obj, func(e *hookv1.WebhookEndpoint) { e.Spec.URL = "https://other.example.com" })
		expectReady(ctx, obj, metav1.ConditionUnknown, hookv1.ReasonProgressing, "Generation 2 of WebhookEndpoint billing")
		Expect(obj.Status.Signing).NotTo(BeNil(), "the rest of the status stays")
		faults.clear()
		route(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
	})

	It("keeps Ready when the API server fails in a generation that was looked at", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		asked := make(chan struct{}, 1000)
		faults.inject(func(verb string, o any) error {
			if s, ok := o.(*corev1.Secret); ok && s.Namespace == namespace {
				asked <- struct{}{}
				return errors.New("injected fault")
			}
			return nil
		})
		change(ctx, signingSecretOf(ctx, obj), func(s *corev1.Secret) { delete(s.Annotations, hookv1.AnnotationScheme) })
		Eventually(asked).Should(Receive())
		Consistently(condition(ctx, obj, hookv1.ConditionReady)).Should(be(metav1.ConditionTrue, hookv1.ReasonSucceeded))
	})
})

var _ = Describe("A WebhookEndpoint that is created again", func() {
	It("does not get the status of the one before it", func(ctx SpecContext) {
		obj := newEndpoint(newNamespace(ctx, nil), "billing")
		create(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionUnknown, hookv1.ReasonWaitingForDispatcher)
		gone, next, replaced := obj.DeepCopy(), newEndpoint(obj.Namespace, obj.Name), false
		faults.inject(func(verb string, _ any) error {
			if verb != "apply" {
				return nil
			}
			if replaced {
				return errors.New("injected fault: what was written first stays")
			}
			replaced = true
			return errors.Join(admin.Delete(ctx, gone), admin.Create(ctx, next))
		})
		dispatch(ctx, obj, isTrue(hookv1.ConditionRouted, hookv1.ReasonLoaded), isTrue(hookv1.ConditionDestinationAllowed, hookv1.ReasonAllowed))
		before, again := obj.UID, obj
		Eventually(func() types.UID { _ = admin.Get(ctx, client.ObjectKeyFromObject(again), again); return again.UID }).
			ShouldNot(Or(BeEmpty(), Equal(before)))
		Consistently(condition(ctx, again, hookv1.ConditionReady)).Should(BeNil())
		faults.clear()
		route(ctx, again)
		expectReady(ctx, again, metav1.ConditionTrue, hookv1.ReasonSucceeded)
	})
})

var _ = Describe("A WebhookEndpoint whose spec cannot work", func() {
	It("stalls, and goes on keeping its keys", func(ctx SpecContext) {
		obj := newEndpoint(newNamespace(ctx, nil), "billing", func(e *hookv1.WebhookEndpoint) {
			e.Spec.Signing = &hookv1.Signing{Rotation: &hookv1.Rotation{Overlap: "2s"}}
			e.Spec.AllowSubscriptions = &hookv1.AllowSubscriptions{From: hookv1.FromNamespacesSelector, Selector: &metav1.LabelSelector{
				MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "no key", Operator: metav1.LabelSelectorOpExists}},
			}}
		})
		create(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonInvalidSpec, "spec.allowSubscriptions.selector")
		Expect(condition(ctx, obj, hookv1.ConditionStalled)()).To(be(metav1.ConditionTrue, hookv1.ReasonInvalidSpec))
		change(ctx, obj, func(e *hookv1.WebhookEndpoint) { e.Annotations = map[string]string{hookv1.AnnotationRotate: "1"} })
		Eventually(signingData(ctx, obj)).Should(HaveKey(hookv1.SecretKeyPrevious))
		Eventually(signingData(ctx, obj)).WithTimeout(5*time.Second).ShouldNot(HaveKey(hookv1.SecretKeyPrevious), "the overlap ends")
		change(ctx, obj, func(e *hookv1.WebhookEndpoint) { e.Spec.AllowSubscriptions = nil })
		route(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
	})
})

var _ = Describe("Credentials of endpoints that were deleted without the operator", func() {
	It("are swept when it starts again", func(ctx SpecContext) {
		namespace := newNamespace(ctx, nil)
		gone, stays := readyEndpoint(ctx, newEndpoint(namespace, "gone")), readyEndpoint(ctx, newEndpoint(namespace, "stays"))
		operator.stop()
		Expect(admin.Delete(ctx, gone)).To(Succeed())
		Eventually(func() bool {
			return apierrors.IsNotFound(admin.Get(ctx, client.ObjectKeyFromObject(gone), gone.DeepCopy()))
		}).Should(BeTrue(), "a deletion needs no operator")
		operator = startOperator(context.Background())
		Eventually(func() *compile.Credentials { return credentialsOf(ctx, gone) }).Should(BeNil())
		Expect(credentialsOf(ctx, stays)).NotTo(BeNil())
	})
})
