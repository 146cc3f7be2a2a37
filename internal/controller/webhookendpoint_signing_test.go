// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// handKey is a well-formed key that a user might write.
const handKey = "whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="

var _ = Describe("The signing key that Posthorn owns", func() {
	var namespace string
	BeforeEach(func(ctx SpecContext) { namespace = newNamespace(ctx, nil) })

	// keys waits until the dispatcher is given these keys, the current one first.
	keys := func(ctx context.Context, obj *hookv1.WebhookEndpoint, want ...string) {
		GinkgoHelper()
		Eventually(func() []string {
			if c := credentialsOf(ctx, obj); c != nil {
				return c.SigningKeys
			}
			return nil
		}).Should(Equal(want))
	}

	It("is 32 random bytes in a Secret of its own type", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing", func(e *hookv1.WebhookEndpoint) {
			e.Labels, e.Annotations = map[string]string{"team": "a"}, map[string]string{"argocd.argoproj.io/tracking-id": "x"}
		}))
		secret := signingSecretOf(ctx, obj)
		Expect(secret.Type).To(BeEquivalentTo(hookv1.SecretTypeSigningKey))
		Expect(secret.Data).To(HaveLen(1))
		encoded, ok := strings.CutPrefix(string(secret.Data[hookv1.SecretKeyCurrent]), "whsec_")
		Expect(ok).To(BeTrue())
		Expect(base64.StdEncoding.DecodeString(encoded)).To(HaveLen(32))
		Expect(secret.Labels).To(Equal(map[string]string{
			hookv1.LabelUse: hookv1.LabelUseValue, hookv1.LabelManagedBy: hookv1.ManagedBy,
		}), "those of the endpoint are not copied")
		Expect(secret.Annotations).NotTo(HaveKey("argocd.argoproj.io/tracking-id"))
		Expect(secret.Annotations).To(HaveKeyWithValue(hookv1.AnnotationKeyID, obj.Status.Signing.KeyID))
		Expect(secret.OwnerReferences).To(BeEmpty())
		Expect(condition(ctx, obj, hookv1.ConditionSigningKeyReady)()).To(be(metav1.ConditionTrue, hookv1.ReasonProvisioned, "billing-signing"))
		keys(ctx, obj, string(secret.Data[hookv1.SecretKeyCurrent]))

		other := readyEndpoint(ctx, newEndpoint(namespace, "other"))
		Expect(signingSecretOf(ctx, other).Data).NotTo(Equal(secret.Data))
	})

	It("comes with its public half for Ed25519", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing",
			signed(func(s *hookv1.Signing) { s.Scheme = hookv1.SigningSchemeStandardWebhooksEd25519 })))
		data := signingData(ctx, obj)()
		Expect(data[hookv1.SecretKeyCurrent]).To(HavePrefix("whsk_"))
		Expect(data[hookv1.SecretKeyPublicKey]).To(HavePrefix("whpk_"))
		Expect(obj.Status.Signing.PublicKey).To(Equal(data[hookv1.SecretKeyPublicKey]))
	})

	It("is not made for the scheme None", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing", signed(func(s *hookv1.Signing) { s.Scheme = hookv1.SigningSchemeNone })))
		Expect(signingData(ctx, obj)()).To(BeNil())
		Expect(condition(ctx, obj, hookv1.ConditionSigningKeyReady)()).To(BeNil())
		Expect(obj.Status.Signing).To(BeNil())
	})

	It("never overwrites a Secret that Posthorn did not create", func(ctx SpecContext) {
		theirs := newSecret(namespace, "billing-signing", map[string]string{hookv1.SecretKeyCurrent: "theirs"})
		create(ctx, theirs)
		obj := newEndpoint(namespace, "billing")
		create(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonSecretNotOwned, "billing-signing", "signing.secretRef")
		Expect(condition(ctx, obj, hookv1.ConditionSigningKeyReady)()).To(be(metav1.ConditionFalse, hookv1.ReasonSecretNotOwned))
		Eventually(wake(ctx, obj)).Should(Equal(recheckInterval), "it has no mark, so that no watch tells when it goes")
		poke(ctx, obj)
		Consistently(signingData(ctx, obj)).Should(Equal(map[string]string{hookv1.SecretKeyCurrent: "theirs"}))
		Expect(credentialsOf(ctx, obj)).To(BeNil())

		Expect(admin.Delete(ctx, theirs)).To(Succeed())
		route(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
	})

	It("is rotated when the annotation has a new value, once for each", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		first := signingData(ctx, obj)()[hookv1.SecretKeyCurrent]
		change(ctx, obj, rotate("1"))
		Eventually(signingData(ctx, obj)).Should(HaveKeyWithValue(hookv1.SecretKeyPrevious, first))
		second := signingData(ctx, obj)()[hookv1.SecretKeyCurrent]
		Expect(second).NotTo(Equal(first))
		keys(ctx, obj, second, first)
		Eventually(condition(ctx, obj, hookv1.ConditionSigningKeyReady)).Should(be(metav1.ConditionTrue, hookv1.ReasonRotationOverlap))
		Expect(obj.Status.LastHandledRotate).To(Equal("1"))
		Expect(obj.Status.Signing.PreviousKeyExpiresAt.Time).To(BeTemporally("~", time.Now().Add(24*time.Hour), time.Minute))
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)

		poke(ctx, obj)
		Consistently(signingData(ctx, obj)).Should(HaveKeyWithValue(hookv1.SecretKeyCurrent, second))
		change(ctx, obj, func(e *hookv1.WebhookEndpoint) { delete(e.Annotations, hookv1.AnnotationRotate) })
		Consistently(signingData(ctx, obj)).Should(HaveKeyWithValue(hookv1.SecretKeyCurrent, second), "taking it away does nothing")
		change(ctx, obj, rotate("2"))
		Eventually(signingData(ctx, obj)).Should(HaveKeyWithValue(hookv1.SecretKeyPrevious, second))
		Eventually(eventsOf(ctx, obj)).Should(ContainElement("Normal KeyRotated"))
	})

	It("is not rotated by an annotation that the endpoint is created with", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing", rotate("1")))
		Expect(signingData(ctx, obj)()).NotTo(HaveKey(hookv1.SecretKeyPrevious))
		Expect(obj.Status.LastHandledRotate).To(Equal("1"))
	})

	It("is rotated once though the status that records it is lost", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		first := signingData(ctx, obj)()[hookv1.SecretKeyCurrent]
		tries := make(chan struct{}, 1000)
		faults.inject(func(verb string, _ any) error {
			if verb == "apply" {
				tries <- struct{}{}
				return errors.New("injected fault")
			}
			return nil
		})
		change(ctx, obj, rotate("1"))
		for range 3 {
			Eventually(tries).Should(Receive())
		}
		faults.clear()
		Eventually(func() string { refresh(ctx, obj); return obj.Status.LastHandledRotate }).Should(Equal("1"))
		Consistently(signingData(ctx, obj)).Should(HaveKeyWithValue(hookv1.SecretKeyPrevious, first))
	})

	It("is not rotated again by a value that was acted on, whatever became of the key while the annotation was away", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing", signed(func(s *hookv1.Signing) {
			s.Rotation = &hookv1.Rotation{Interval: "240h", Overlap: "2h"}
		})))
		current := signingData(ctx, obj)()[hookv1.SecretKeyCurrent]
		change(ctx, obj, rotate("1"))
		Eventually(signingData(ctx, obj)).Should(HaveKeyWithValue(hookv1.SecretKeyPrevious, current))
		for _, renew := range []func(){
			func() { clock.advance(240 * time.Hour); poke(ctx, obj) },
			func() { Expect(admin.Delete(ctx, signingSecretOf(ctx, obj))).To(Succeed()) },
		} {
			change(ctx, obj, func(e *hookv1.WebhookEndpoint) { delete(e.Annotations, hookv1.AnnotationRotate) })
			current = signingData(ctx, obj)()[hookv1.SecretKeyCurrent]
			renew()
			Eventually(signingData(ctx, obj)).Should(HaveKeyWithValue(hookv1.SecretKeyPrevious, current))
			current = signingData(ctx, obj)()[hookv1.SecretKeyCurrent]
			change(ctx, obj, rotate("1"))
			Consistently(signingData(ctx, obj)).Should(HaveKeyWithValue(hookv1.SecretKeyCurrent, current))
			Eventually(func() string { refresh(ctx, obj); return obj.Status.LastHandledRotate }).Should(Equal("1"))
		}
	})

	It("is rotated by its age, and the previous key goes when the overlap ends", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing", signed(func(s *hookv1.Signing) {
			s.Rotation = &hookv1.Rotation{Interval: "240h", Overlap: "2h"}
		})))
		first := signingData(ctx, obj)()[hookv1.SecretKeyCurrent]
		Expect(obj.Status.Signing.NextRotationTime.Time).To(BeTemporally("~", time.Now().Add(240*time.Hour), time.Minute))
		Eventually(wake(ctx, obj)).Should(BeNumerically("~", 240*time.Hour, time.Minute))

		clock.advance(240 * time.Hour)
		poke(ctx, obj)
		Eventually(signingData(ctx, obj)).Should(HaveKeyWithValue(hookv1.SecretKeyPrevious, first))
		second := signingData(ctx, obj)()[hookv1.SecretKeyCurrent]
		keys(ctx, obj, second, first)
		Eventually(wake(ctx, obj)).Should(BeNumerically("~", 2*time.Hour, time.Minute), "the end of the overlap comes first")

		clock.advance(2 * time.Hour)
		poke(ctx, obj)
		keys(ctx, obj, second)
		Eventually(wake(ctx, obj)).Should(BeNumerically("~", 238*time.Hour, time.Minute), "the interval counts from the rotation")
		Expect(signingData(ctx, obj)()).To(Equal(map[string]string{hookv1.SecretKeyCurrent: second}))
		Eventually(condition(ctx, obj, hookv1.ConditionSigningKeyReady)).Should(be(metav1.ConditionTrue, hookv1.ReasonProvisioned))
		Expect(obj.Status.Signing.PreviousKeyExpiresAt).To(BeNil())
		Eventually(eventsOf(ctx, obj)).Should(ContainElement("Normal PreviousKeyExpired"))
	})

	It("wakes the operator by itself when the overlap ends", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing", signed(func(s *hookv1.Signing) {
			s.Rotation = &hookv1.Rotation{Overlap: "2s"}
		})))
		first := signingData(ctx, obj)()[hookv1.SecretKeyCurrent]
		change(ctx, obj, rotate("1"))
		Eventually(signingData(ctx, obj)).Should(HaveKeyWithValue(hookv1.SecretKeyPrevious, first))
		Eventually(signingData(ctx, obj)).ShouldNot(HaveKey(hookv1.SecretKeyPrevious))
	})

	It("stops the previous key at once without an overlap", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing", signed(func(s *hookv1.Signing) {
			s.Rotation = &hookv1.Rotation{Overlap: "0s"}
		})))
		first := signingData(ctx, obj)()
		change(ctx, obj, rotate("1"))
		Eventually(signingData(ctx, obj)).Should(And(HaveLen(1), Not(Equal(first))))
	})

	It("may be edited by hand, and the key before it goes on signing", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		first, id := signingData(ctx, obj)()[hookv1.SecretKeyCurrent], obj.Status.Signing.KeyID
		change(ctx, signingSecretOf(ctx, obj), func(s *corev1.Secret) { s.Data[hookv1.SecretKeyCurrent] = []byte(handKey + "\n") })
		keys(ctx, obj, handKey, first)
		Eventually(condition(ctx, obj, hookv1.ConditionSigningKeyReady)).Should(be(metav1.ConditionTrue, hookv1.ReasonRotationOverlap))
		Expect(obj.Status.Signing.KeyID).NotTo(Equal(id))
		Eventually(eventsOf(ctx, obj)).Should(ContainElement("Normal KeyReplaced"))
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
	})

	It("says what is wrong with a hand edit, and forgets no key over it", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		secret := signingSecretOf(ctx, obj)
		first := string(secret.Data[hookv1.SecretKeyCurrent])
		change(ctx, secret, func(s *corev1.Secret) { s.Data[hookv1.SecretKeyCurrent] = []byte("too short") })
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonKeyMalformed, "whsec_", "delete the Secret")
		Expect(condition(ctx, obj, hookv1.ConditionReady)().Message).NotTo(ContainSubstring("too short"))
		Expect(credentialsOf(ctx, obj).Endpoint.Generation).To(BeZero(), "the dispatcher holds the deliveries")
		change(ctx, secret, func(s *corev1.Secret) { delete(s.Data, hookv1.SecretKeyCurrent) })
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonKeyMissing, "current")
		change(ctx, secret, func(s *corev1.Secret) {
			s.Data = map[string][]byte{hookv1.SecretKeyCurrent: []byte(handKey)}
		})
		keys(ctx, obj, handKey, first)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
	})

	It("is made anew at once when its Secret is deleted, and the old key goes on signing", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		secret := signingSecretOf(ctx, obj)
		first := string(secret.Data[hookv1.SecretKeyCurrent])
		Expect(admin.Delete(ctx, secret)).To(Succeed())
		Eventually(signingData(ctx, obj)).Should(HaveKeyWithValue(hookv1.SecretKeyPrevious, first))
		keys(ctx, obj, signingData(ctx, obj)()[hookv1.SecretKeyCurrent], first)
	})

	It("gets its marks back", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		secret := signingSecretOf(ctx, obj)
		want := secret.DeepCopy()
		change(ctx, secret, func(s *corev1.Secret) { s.Labels, s.Annotations = nil, nil })
		Eventually(func(g Gomega) {
			refresh(ctx, secret)
			g.Expect(secret.Labels).To(Equal(want.Labels))
			g.Expect(secret.Annotations).To(HaveKeyWithValue(hookv1.AnnotationKeyID, want.Annotations[hookv1.AnnotationKeyID]))
			g.Expect(secret.Data).To(Equal(want.Data))
		}).Should(Succeed())
	})

	It("is another one when the scheme needs another form, and the same one when it does not", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		first := signingData(ctx, obj)()
		scheme := func(s hookv1.SigningScheme) {
			GinkgoHelper()
			change(ctx, obj, signed(func(x *hookv1.Signing) { x.Scheme = s }))
			route(ctx, obj)
			expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
		}
		scheme(hookv1.SigningSchemeGitHub)
		Expect(signingData(ctx, obj)()).To(Equal(first))
		scheme(hookv1.SigningSchemeStandardWebhooksEd25519)
		Expect(signingData(ctx, obj)()).To(And(
			HaveKeyWithValue(hookv1.SecretKeyCurrent, HavePrefix("whsk_")), HaveKey(hookv1.SecretKeyPublicKey), Not(HaveKey(hookv1.SecretKeyPrevious))))
		scheme(hookv1.SigningSchemeHMACHex)
		Expect(signingData(ctx, obj)()).To(And(HaveLen(1), HaveKeyWithValue(hookv1.SecretKeyCurrent, HavePrefix("whsec_"))))
	})

	It("is kept when the endpoint is deleted, and adopted again", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing", rotate("1")))
		data := signingData(ctx, obj)()
		Expect(admin.Delete(ctx, obj)).To(Succeed())
		Consistently(signingData(ctx, obj)).Should(Equal(data))
		obj = readyEndpoint(ctx, newEndpoint(namespace, "billing", rotate("1")))
		Expect(signingData(ctx, obj)()).To(Equal(data), "the annotation was acted on before")
		Eventually(eventsOf(ctx, obj)).Should(ContainElement("Normal SecretAdopted"))
	})

	It("is deleted with the endpoint with deletionPolicy Delete, which may change", func(ctx SpecContext) {
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		policy := func(p hookv1.DeletionPolicy, owners int) {
			GinkgoHelper()
			change(ctx, obj, signed(func(s *hookv1.Signing) { s.DeletionPolicy = p }))
			Eventually(func() []metav1.OwnerReference { return signingSecretOf(ctx, obj).OwnerReferences }).Should(HaveLen(owners))
		}
		policy(hookv1.DeletionPolicyDelete, 1)
		policy(hookv1.DeletionPolicyRetain, 0)
		policy(hookv1.DeletionPolicyDelete, 1)
		Expect(signingSecretOf(ctx, obj).OwnerReferences[0].UID).To(Equal(obj.UID))
		Expect(admin.Delete(ctx, obj)).To(Succeed())
		// The garbage collector learns of new kinds every 30 seconds.
		Eventually(signingData(ctx, obj)).WithTimeout(90 * time.Second).Should(BeNil())
	})

	It("is one key, and no second Secret, whatever write fails first", func(ctx SpecContext) {
		failures := 0
		faults.inject(func(verb string, _ any) error {
			if failures++; failures <= 8 {
				if failures%2 == 0 {
					return apierrors.NewConflict(hookv1.Resource("x"), "x", errors.New("injected conflict"))
				}
				return errors.New("injected fault")
			}
			return nil
		})
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		var list corev1.SecretList
		Expect(admin.List(ctx, &list, client.InNamespace(namespace))).To(Succeed())
		Expect(list.Items).To(HaveLen(1))
		keys(ctx, obj, string(list.Items[0].Data[hookv1.SecretKeyCurrent]))
	})
})

var _ = Describe("A signing key of the user's own", func() {
	var namespace string
	BeforeEach(func(ctx SpecContext) { namespace = newNamespace(ctx, nil) })
	own := func(scheme hookv1.SigningScheme) func(*hookv1.WebhookEndpoint) {
		return func(e *hookv1.WebhookEndpoint) {
			e.Spec.Signing = &hookv1.Signing{Scheme: scheme, SecretRef: &hookv1.SecretKeySelector{Name: "mine", Key: "b"}}
		}
	}

	It("is one key of several in a Secret of any type, and a change is taken at once", func(ctx SpecContext) {
		secret := newSecret(namespace, "mine", map[string]string{"a": "other", "b": handKey + "\n"})
		secret.Type = "example.com/whatever"
		create(ctx, secret)
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing", own(hookv1.SigningSchemeStandardWebhooks)))
		Expect(condition(ctx, obj, hookv1.ConditionSigningKeyReady)()).To(be(metav1.ConditionTrue, hookv1.ReasonUserProvided, "mine"))
		Expect(credentialsOf(ctx, obj).SigningKeys).To(Equal([]string{handKey}))
		Expect(obj.Status.Signing.SecretName).To(Equal("mine"))
		Expect(signingData(ctx, obj)()).To(BeNil(), "Posthorn makes none of its own")

		next := "whsec_" + base64.StdEncoding.EncodeToString([]byte("another key of thirty-two bytes."))
		change(ctx, secret, func(s *corev1.Secret) { s.Data["b"] = []byte(next) })
		Eventually(func() []string { return credentialsOf(ctx, obj).SigningKeys }).Should(Equal([]string{next}))
	})

	It("may be any text for GitHub and HMACHex", func(ctx SpecContext) {
		create(ctx, newSecret(namespace, "mine", map[string]string{"b": "It's a Secret to Everybody"}))
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing", own(hookv1.SigningSchemeGitHub)))
		Expect(credentialsOf(ctx, obj).SigningKeys).To(Equal([]string{"It's a Secret to Everybody"}))
	})

	It("has a condition with the remedy for everything that may be wrong", func(ctx SpecContext) {
		obj := newEndpoint(namespace, "billing", own(hookv1.SigningSchemeStandardWebhooks))
		create(ctx, obj)
		expect := func(reason string, message ...string) {
			GinkgoHelper()
			expectReady(ctx, obj, metav1.ConditionFalse, reason, message...)
			Expect(condition(ctx, obj, hookv1.ConditionSigningKeyReady)()).To(be(metav1.ConditionFalse, reason))
			Expect(condition(ctx, obj, hookv1.ConditionReconciling)()).To(be(metav1.ConditionTrue, reason))
		}
		expect(hookv1.ReasonSecretNotFound, "mine", hookv1.LabelUse)
		secret := newSecret(namespace, "mine", map[string]string{"a": handKey})
		secret.Labels = nil
		create(ctx, secret)
		poke(ctx, obj)
		expect(hookv1.ReasonSecretNotAllowed, "mine", hookv1.LabelUse)
		change(ctx, secret, func(s *corev1.Secret) { s.Labels = map[string]string{hookv1.LabelUse: "true"} })
		expect(hookv1.ReasonKeyMissing, "key b")
		change(ctx, secret, func(s *corev1.Secret) { s.Data["b"] = []byte("hunter2") })
		expect(hookv1.ReasonKeyMalformed, "whsec_")
		Expect(condition(ctx, obj, hookv1.ConditionReady)().Message).NotTo(ContainSubstring("hunter2"))
		change(ctx, secret, func(s *corev1.Secret) { s.Data["b"] = []byte(handKey) })
		route(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)

		change(ctx, secret, func(s *corev1.Secret) { s.Labels = nil })
		expect(hookv1.ReasonSecretNotAllowed)
		Expect(credentialsOf(ctx, obj).Endpoint.Generation).To(BeZero(), "its use ends with the mark")
		Expect(admin.Delete(ctx, secret)).To(Succeed())
		poke(ctx, obj)
		expect(hookv1.ReasonSecretNotFound)
	})

	It("is never copied into another Secret", func(ctx SpecContext) {
		create(ctx, newSecret(namespace, "mine", map[string]string{"b": handKey}))
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing", own(hookv1.SigningSchemeStandardWebhooks)))
		change(ctx, obj, func(e *hookv1.WebhookEndpoint) { e.Spec.Signing.SecretRef = nil })
		route(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
		Expect(signingData(ctx, obj)()).To(And(HaveLen(1), Not(ContainElement(handKey))))
	})
})

// signed edits an endpoint's signing.
func signed(edit func(*hookv1.Signing)) func(*hookv1.WebhookEndpoint) {
	return func(e *hookv1.WebhookEndpoint) {
		if e.Spec.Signing == nil {
			e.Spec.Signing = &hookv1.Signing{}
		}
		edit(e.Spec.Signing)
	}
}

// rotate gives the annotation posthorn.dev/rotate a value.
func rotate(value string) func(*hookv1.WebhookEndpoint) {
	return func(e *hookv1.WebhookEndpoint) {
		if e.Annotations == nil {
			e.Annotations = map[string]string{}
		}
		e.Annotations[hookv1.AnnotationRotate] = value
	}
}
