// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/posthorn-dev/posthorn/internal/pki"
)

var _ = Describe("The certificate of ingest", Ordered, func() {
	const name = "posthorn.posthorn-system.svc"
	var keeper *IngestCertificate
	secret := func(ctx context.Context, name string) *corev1.Secret {
		GinkgoHelper()
		out := &corev1.Secret{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: ownNamespace, Name: name}, out)).To(Succeed())
		return out
	}
	bundle := func(ctx context.Context) *x509.CertPool {
		GinkgoHelper()
		out := &corev1.ConfigMap{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: ownNamespace, Name: ingestBundle}, out)).To(Succeed())
		roots := x509.NewCertPool()
		Expect(roots.AppendCertsFromPEM([]byte(out.Data[ingestBundleKey]))).To(BeTrue())
		return roots
	}
	verify := func(ctx context.Context, s *corev1.Secret) {
		GinkgoHelper()
		pair, err := tls.X509KeyPair(s.Data[corev1.TLSCertKey], s.Data[corev1.TLSPrivateKeyKey])
		Expect(err).NotTo(HaveOccurred())
		_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: bundle(ctx), DNSName: name, CurrentTime: clock.now()})
		Expect(err).NotTo(HaveOccurred())
	}
	BeforeAll(func(ctx SpecContext) {
		// With the rights of the operator's ServiceAccount.
		keeper = &IngestCertificate{Base: operator.base, Names: []string{name}}
		DeferCleanup(func(ctx SpecContext) {
			for _, obj := range []client.Object{
				&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ownNamespace, Name: ingestSecret}},
				&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ownNamespace, Name: ingestAuthoritySecret}},
				&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ownNamespace, Name: ingestBundle}},
			} {
				Expect(client.IgnoreNotFound(admin.Delete(ctx, obj))).To(Succeed())
			}
		})
	})

	It("is made, with an authority that is published", func(ctx SpecContext) {
		Expect(keeper.ensure(ctx)).To(Succeed())
		verify(ctx, secret(ctx, ingestSecret))
		Expect(secret(ctx, ingestSecret).Type).To(Equal(corev1.SecretTypeTLS))
	})

	It("is not written again while it is good", func(ctx SpecContext) {
		before := secret(ctx, ingestSecret).ResourceVersion + secret(ctx, ingestAuthoritySecret).ResourceVersion
		Expect(keeper.ensure(ctx)).To(Succeed())
		Expect(secret(ctx, ingestSecret).ResourceVersion + secret(ctx, ingestAuthoritySecret).ResourceVersion).To(Equal(before))
	})

	It("is renewed in time, by the same authority", func(ctx SpecContext) {
		before := secret(ctx, ingestSecret)
		clock.advance(pki.CertificateLife - pki.RenewBefore + time.Hour)
		Expect(keeper.ensure(ctx)).To(Succeed())
		after := secret(ctx, ingestSecret)
		Expect(after.Data[corev1.TLSCertKey]).NotTo(Equal(before.Data[corev1.TLSCertKey]))
		verify(ctx, before)
		verify(ctx, after)
	})

	It("is made again when it, or the bundle, is deleted or damaged", func(ctx SpecContext) {
		Expect(admin.Delete(ctx, secret(ctx, ingestSecret))).To(Succeed())
		configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ownNamespace, Name: ingestBundle}}
		Expect(admin.Delete(ctx, configMap)).To(Succeed())
		Expect(keeper.ensure(ctx)).To(Succeed())
		verify(ctx, secret(ctx, ingestSecret))

		configMap.Data = map[string]string{ingestBundleKey: "nonsense"}
		Expect(admin.Update(ctx, configMap)).To(Succeed())
		Expect(keeper.ensure(ctx)).To(Succeed())
		verify(ctx, secret(ctx, ingestSecret))
	})

	It("is left alone when somebody else made it", func(ctx SpecContext) {
		Expect(admin.Delete(ctx, secret(ctx, ingestSecret))).To(Succeed())
		authority := secret(ctx, ingestAuthoritySecret).ResourceVersion
		theirs := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: ownNamespace, Name: ingestSecret}, Type: corev1.SecretTypeTLS,
			Data: map[string][]byte{corev1.TLSCertKey: []byte("theirs"), corev1.TLSPrivateKeyKey: []byte("theirs")},
		}
		Expect(admin.Create(ctx, theirs)).To(Succeed())
		Expect(keeper.ensure(ctx)).To(Succeed())
		Expect(secret(ctx, ingestSecret).Data[corev1.TLSCertKey]).To(Equal([]byte("theirs")))
		Expect(secret(ctx, ingestAuthoritySecret).ResourceVersion).To(Equal(authority))
	})
})
