// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

var _ = Describe("The annotation posthorn.dev/rotate", func() {
	var namespace string
	BeforeEach(func(ctx SpecContext) { namespace = newNamespace(ctx, nil) })

	takeAway := func(e *hookv1.WebhookEndpoint) { delete(e.Annotations, hookv1.AnnotationRotate) }
	handled := func(ctx context.Context, obj *hookv1.WebhookEndpoint) func() string {
		return func() string { refresh(ctx, obj); return obj.Status.LastHandledRotate }
	}

	It("does nothing when it is taken away, nor when the same value comes back", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		change(ctx, obj, rotate("1"))
		Eventually(handled(ctx, obj)).Should(Equal("1"))
		data := signingData(ctx, obj)()
		change(ctx, obj, takeAway)
		Consistently(signingData(ctx, obj)).Should(Equal(data))
		Expect(handled(ctx, obj)()).To(Equal("1"))
		change(ctx, obj, rotate("1"))
		Consistently(signingData(ctx, obj)).Should(Equal(data))
	})

	DescribeTable("is done with where Posthorn has no key, and does not act later",
		func(ctx SpecContext, away, back func(*hookv1.Signing)) {
			create(ctx, newSecret(namespace, "mine", map[string]string{"key": handKey}))
			obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
			data := signingData(ctx, obj)()
			// leave annotates the endpoint while it has no key of Posthorn's; come gives it one again.
			leave := func(value string) {
				GinkgoHelper()
				change(ctx, obj, signed(away))
				change(ctx, obj, rotate(value))
				Eventually(handled(ctx, obj)).Should(Equal(value))
			}
			come := func() {
				GinkgoHelper()
				change(ctx, obj, signed(back))
				route(ctx, obj)
				expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
				Consistently(signingData(ctx, obj)).Should(Equal(data))
			}
			leave("1")
			come()
			Expect(handled(ctx, obj)()).To(Equal("1"))

			leave("2")
			change(ctx, obj, takeAway)
			come()
			Expect(handled(ctx, obj)()).To(Equal("2"))
			change(ctx, obj, rotate("2"))
			Consistently(signingData(ctx, obj)).Should(Equal(data), "it came before")

			change(ctx, obj, rotate("1"))
			Eventually(signingData(ctx, obj)).Should(HaveKeyWithValue(hookv1.SecretKeyPrevious, data[hookv1.SecretKeyCurrent]), "a new value acts")
			Eventually(handled(ctx, obj)).Should(Equal("1"))
		},
		Entry("with a key of the user's", func(s *hookv1.Signing) {
			ref := selector("mine", "key")
			s.SecretRef = &ref
		}, func(s *hookv1.Signing) { s.SecretRef = nil }),
		Entry("with the scheme None", func(s *hookv1.Signing) { s.Scheme = hookv1.SigningSchemeNone },
			func(s *hookv1.Signing) { s.Scheme = hookv1.SigningSchemeStandardWebhooks }),
	)

	It("acts once the key can be used, and is not recorded before", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		secret := signingSecretOf(ctx, obj)
		first := secret.Data[hookv1.SecretKeyCurrent]
		change(ctx, secret, func(s *corev1.Secret) { s.Data[hookv1.SecretKeyCurrent] = []byte("too short") })
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonKeyMalformed)
		change(ctx, obj, rotate("1"))
		Consistently(handled(ctx, obj)).Should(BeEmpty())
		change(ctx, secret, func(s *corev1.Secret) { s.Data[hookv1.SecretKeyCurrent] = first })
		Eventually(signingData(ctx, obj)).Should(HaveKeyWithValue(hookv1.SecretKeyPrevious, string(first)))
		Eventually(handled(ctx, obj)).Should(Equal("1"))
	})

	It("is not recorded while somebody else's Secret is in the way", func(ctx SpecContext) {
		theirs := newSecret(namespace, "billing-signing", map[string]string{hookv1.SecretKeyCurrent: handKey})
		create(ctx, theirs)
		obj := newEndpoint(namespace, "billing", rotate("1"))
		create(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonSecretNotOwned)
		Expect(handled(ctx, obj)()).To(BeEmpty())
		Expect(admin.Delete(ctx, theirs)).To(Succeed())
		route(ctx, obj)
		Eventually(handled(ctx, obj)).Should(Equal("1"))
		Expect(signingData(ctx, obj)()).To(HaveLen(1), "the key is new anyway")
	})

	DescribeTable("is remembered by the Secret, and by the status where the Secret was not in use",
		func(recorded string, plan keyPlan, want string) {
			secret := &corev1.Secret{}
			if recorded != "none" {
				annotate(secret, annotationHandledRotate, recorded)
			}
			Expect(plan.lastHandled(secret)).To(Equal(want))
		},
		Entry("the Secret's record", "2", keyPlan{inUse: true, rotate: "1", handled: "1"}, "2"),
		Entry("an empty record", "", keyPlan{inUse: true, rotate: "1", handled: "1"}, ""),
		Entry("a record that was lost", "none", keyPlan{inUse: true, rotate: "2", handled: "1"}, "1"),
		Entry("a value that came meanwhile", "1", keyPlan{rotate: "2", handled: "2"}, "2"),
		Entry("a value that came and went meanwhile", "1", keyPlan{handled: "2"}, "2"),
		Entry("a status that lags behind", "2", keyPlan{rotate: "2", handled: "1"}, "2"),
		Entry("a new endpoint", "1", keyPlan{rotate: "1"}, "1"),
		Entry("a new endpoint without the annotation", "1", keyPlan{}, "1"),
	)
})
