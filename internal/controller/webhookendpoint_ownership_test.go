// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"errors"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

var _ = Describe("A Secret of the user's that looks like Posthorn's own", func() {
	var (
		namespace string
		theirs    *corev1.Secret
	)
	BeforeEach(func(ctx SpecContext) {
		namespace = newNamespace(ctx, nil)
		theirs = newSecret(namespace, "billing-signing", map[string]string{hookv1.SecretKeyCurrent: handKey})
		theirs.Type = hookv1.SecretTypeSigningKey
	})
	own := signed(func(s *hookv1.Signing) {
		ref := selector("billing-signing", hookv1.SecretKeyCurrent)
		s.SecretRef = &ref
	})
	disown := signed(func(s *hookv1.Signing) { s.SecretRef = nil })
	failing := func(failed string) {
		faults.inject(func(verb string, _ any) error {
			if verb == failed {
				return errors.New("injected fault")
			}
			return nil
		})
	}
	// untouched expects the Secret to stay as the user made it, and the endpoint to say why.
	untouched := func(ctx SpecContext, obj *hookv1.WebhookEndpoint) {
		GinkgoHelper()
		want := theirs.ResourceVersion
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonSecretNotOwned, "billing-signing")
		change(ctx, obj, func(e *hookv1.WebhookEndpoint) {
			signed(func(s *hookv1.Signing) { s.DeletionPolicy = hookv1.DeletionPolicyDelete })(e)
			rotate("1")(e)
		})
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonSecretNotOwned, "billing-signing")
		Consistently(func() string { refresh(ctx, theirs); return theirs.ResourceVersion }).Should(Equal(want))
	}

	It("is not taken over when the endpoint names it no more", func(ctx SpecContext) {
		create(ctx, theirs)
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing", own))
		Expect(condition(ctx, obj, hookv1.ConditionSigningKeyReady)()).To(be(metav1.ConditionTrue, hookv1.ReasonUserProvided))
		change(ctx, obj, disown)
		untouched(ctx, obj)
	})

	It("is not taken over when it takes the place of Posthorn's", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		failing("create")
		Expect(admin.Delete(ctx, signingSecretOf(ctx, obj))).To(Succeed())
		create(ctx, theirs)
		faults.clear()
		untouched(ctx, obj)
	})

	It("is not taken over though Posthorn made it, once its marks were taken off and the endpoint named it", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		change(ctx, obj, own)
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonSecretNotAllowed)
		theirs = signingSecretOf(ctx, obj)
		change(ctx, theirs, func(s *corev1.Secret) {
			s.Labels, s.Annotations = map[string]string{hookv1.LabelUse: hookv1.LabelUseValue}, nil
		})
		route(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
		change(ctx, obj, disown)
		untouched(ctx, obj)
	})

	It("leaves no key in the Secret that Posthorn makes in its place", func(ctx SpecContext) {
		create(ctx, theirs)
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing", own))
		// With its status lost, what the operator concludes from it is of the user's Secret.
		failing("apply")
		Expect(admin.Delete(ctx, theirs)).To(Succeed())
		change(ctx, obj, disown)
		Expect(signingSecretOf(ctx, obj).Data).To(HaveLen(1))
		faults.clear()
		route(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
		Expect(signingData(ctx, obj)()).To(And(HaveLen(1), Not(ContainElement(handKey))))
	})
})
