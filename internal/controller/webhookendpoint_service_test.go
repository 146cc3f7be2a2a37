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

var _ = Describe("The Service of an endpoint", func() {
	var namespace string
	BeforeEach(func(ctx SpecContext) { namespace = newNamespace(ctx, nil) })

	toService := func(e *hookv1.WebhookEndpoint) {
		e.Spec.URL = ""
		e.Spec.ServiceRef = &hookv1.ServiceRef{Name: "billing", Port: 8080, Path: "/hooks"}
	}
	service := func(edit ...func(*corev1.ServiceSpec)) *corev1.Service {
		s := &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "billing"},
			Spec: corev1.ServiceSpec{
				Selector: map[string]string{"app": "billing"},
				Ports:    []corev1.ServicePort{{Port: 8080}},
			},
		}
		for _, e := range edit {
			e(&s.Spec)
		}
		return s
	}

	It("is resolved to its ClusterIP, and followed when it goes and comes", func(ctx SpecContext) {
		obj := newEndpoint(namespace, "billing", toService)
		create(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonServiceNotFound, "billing")
		Expect(condition(ctx, obj, hookv1.ConditionServiceResolved)()).To(be(metav1.ConditionFalse, hookv1.ReasonServiceNotFound))
		Expect(credentialsOf(ctx, obj)).To(BeNil())

		first := service()
		create(ctx, first)
		route(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
		Expect(condition(ctx, obj, hookv1.ConditionServiceResolved)()).To(be(metav1.ConditionTrue, hookv1.ReasonResolved))
		Expect(credentialsOf(ctx, obj).ServiceIP).To(Equal(first.Spec.ClusterIP))
		Expect(obj.Status.Host).To(Equal("billing." + namespace + ".svc:8080"))

		Expect(admin.Delete(ctx, first)).To(Succeed())
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonServiceNotFound)
		Expect(credentialsOf(ctx, obj).ServiceIP).To(BeEmpty(), "the address may soon be another Service's")
		second := service()
		create(ctx, second)
		Eventually(func() string { return credentialsOf(ctx, obj).ServiceIP }).Should(Equal(second.Spec.ClusterIP))
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
	})

	DescribeTable("is refused when it could point anywhere",
		func(ctx context.Context, reason, message string, edit func(*corev1.ServiceSpec)) {
			create(ctx, service(edit))
			obj := newEndpoint(namespace, "billing", toService)
			create(ctx, obj)
			expectReady(ctx, obj, metav1.ConditionFalse, reason, message)
			Expect(condition(ctx, obj, hookv1.ConditionServiceResolved)()).To(be(metav1.ConditionFalse, reason))
			Expect(condition(ctx, obj, hookv1.ConditionReconciling)()).To(be(metav1.ConditionTrue, reason), "somebody may correct it")
			Expect(credentialsOf(ctx, obj)).To(BeNil())
		},
		Entry("as headless", hookv1.ReasonServiceNotAllowed, "headless", func(s *corev1.ServiceSpec) { s.ClusterIP = corev1.ClusterIPNone }),
		Entry("without a selector", hookv1.ReasonServiceNotAllowed, "no selector", func(s *corev1.ServiceSpec) { s.Selector = nil }),
		Entry("as an ExternalName", hookv1.ReasonServiceNotAllowed, "ExternalName", func(s *corev1.ServiceSpec) {
			s.Type, s.ExternalName = corev1.ServiceTypeExternalName, "metadata.internal"
		}),
		Entry("as a NodePort", hookv1.ReasonServiceNotAllowed, "NodePort", func(s *corev1.ServiceSpec) { s.Type = corev1.ServiceTypeNodePort }),
		Entry("as a LoadBalancer", hookv1.ReasonServiceNotAllowed, "LoadBalancer", func(s *corev1.ServiceSpec) { s.Type = corev1.ServiceTypeLoadBalancer }),
		Entry("with another port", hookv1.ReasonPortNotFound, "8080", func(s *corev1.ServiceSpec) { s.Ports[0].Port = 9090 }),
		Entry("with a UDP port", hookv1.ReasonPortNotFound, "TCP", func(s *corev1.ServiceSpec) { s.Ports[0].Protocol = corev1.ProtocolUDP }),
	)
})
