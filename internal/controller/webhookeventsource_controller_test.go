// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// newSource returns a source of Deployments; edit may change it before it is created.
func newSource(namespace, name string, edit ...func(*hookv1.WebhookEventSource)) *hookv1.WebhookEventSource {
	obj := &hookv1.WebhookEventSource{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: hookv1.WebhookEventSourceSpec{
			ServiceAccountName: "reader",
			Resources:          []hookv1.WatchedResource{{APIVersion: "apps/v1", Kind: "Deployment"}},
		},
	}
	for _, e := range edit {
		e(obj)
	}
	return obj
}

// saying makes the source wait for an expression.
func saying(expression string) func(*hookv1.WebhookEventSource) {
	return func(s *hookv1.WebhookEventSource) { s.Spec.When = &hookv1.When{Expression: expression} }
}

// seen plays a dispatcher that watches for the source.
func seen(ctx context.Context, obj *hookv1.WebhookEventSource) {
	GinkgoHelper()
	dispatch(ctx, obj, isTrue(hookv1.ConditionPermissionsGranted, hookv1.ReasonGranted), isTrue(hookv1.ConditionWatching, hookv1.ReasonLive))
}

var _ = Describe("A WebhookEventSource", func() {
	var namespace string
	BeforeEach(func(ctx SpecContext) { namespace = newNamespace(ctx, nil) })

	It("is Ready once the dispatcher watches", func(ctx SpecContext) {
		obj := newSource(namespace, "degraded", saying("object.status.availableReplicas < object.spec.replicas"))
		create(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionUnknown, hookv1.ReasonWaitingForDispatcher, "WebhookEventSource degraded")
		Expect(condition(ctx, obj, hookv1.ConditionExpressionValid)()).To(be(metav1.ConditionTrue, hookv1.ReasonValid))
		seen(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded, "Deployment")
		Expect(obj.Status.Effective.Resources).To(Equal("Deployment"))
		Expect(obj.Status.Effective.Operations).To(Equal([]hookv1.Operation{"Created", "Updated", "Deleted"}))

		change(ctx, obj, func(s *hookv1.WebhookEventSource) { s.Spec.When = nil })
		expectReady(ctx, obj, metav1.ConditionUnknown, hookv1.ReasonWaitingForDispatcher)
		Expect(condition(ctx, obj, hookv1.ConditionExpressionValid)()).To(BeNil())
		seen(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
	})

	DescribeTable("says what is wrong with its expression, and takes a corrected one",
		func(ctx SpecContext, expression, reason, message string) {
			obj := newSource(namespace, "degraded", saying(expression))
			create(ctx, obj)
			expectReady(ctx, obj, metav1.ConditionFalse, reason, message)
			Expect(condition(ctx, obj, hookv1.ConditionExpressionValid)()).To(be(metav1.ConditionFalse, reason, message))
			Expect(condition(ctx, obj, hookv1.ConditionStalled)()).To(be(metav1.ConditionTrue, reason))
			change(ctx, obj, saying(`operation == "Deleted"`))
			seen(ctx, obj)
			expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
		},
		Entry("that does not parse", "object.(", hookv1.ReasonInvalidExpression, "line 1, column 8"),
		Entry("that names a field the kind does not have", "object.status.readyReplica > 1", hookv1.ReasonInvalidExpression, "readyReplicas"),
		Entry("that is no boolean", "object.spec.replicas", hookv1.ReasonInvalidExpression, "true or false"),
		Entry("that could cost too much", expensive, hookv1.ReasonExpressionTooExpensive, "spec.when.expression"),
	)

	It("names the kind of several that lacks a field", func(ctx SpecContext) {
		obj := newSource(namespace, "both", saying("object.spec.replicas > 1"), func(s *hookv1.WebhookEventSource) {
			s.Spec.Resources = append(s.Spec.Resources, hookv1.WatchedResource{APIVersion: "batch/v1", Kind: "Job"})
		})
		create(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonInvalidExpression, "of kind Job")
	})

	It("says which part of the spec cannot be used", func(ctx SpecContext) {
		obj := newSource(namespace, "wrong", func(s *hookv1.WebhookEventSource) {
			s.Spec.Resources[0].Selector = &hookv1.LabelSelector{MatchLabels: map[string]hookv1.LabelValue{"a b": "c"}}
		})
		create(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonInvalidSpec, "spec.resources[0].selector")
		Expect(condition(ctx, obj, hookv1.ConditionStalled)()).To(be(metav1.ConditionTrue, hookv1.ReasonInvalidSpec))
	})

	DescribeTable("has of what the dispatcher reports in Ready",
		func(ctx SpecContext, permissions, watching metav1.Condition, status metav1.ConditionStatus, reason string) {
			obj := newSource(namespace, "degraded")
			create(ctx, obj)
			dispatch(ctx, obj, permissions, watching)
			expectReady(ctx, obj, status, reason)
		},
		Entry("a right that is missing", isFalse(hookv1.ConditionPermissionsGranted, hookv1.ReasonPermissionMissing),
			isFalse(hookv1.ConditionWatching, hookv1.ReasonForbidden), metav1.ConditionFalse, hookv1.ReasonPermissionMissing),
		Entry("a kind that is not served", metav1.Condition{
			Type: hookv1.ConditionPermissionsGranted, Status: metav1.ConditionUnknown, Reason: hookv1.ReasonKindNotServed,
		}, isFalse(hookv1.ConditionWatching, hookv1.ReasonKindNotServed), metav1.ConditionFalse, hookv1.ReasonKindNotServed),
		Entry("that objects are being looked at for the first time", isTrue(hookv1.ConditionPermissionsGranted, hookv1.ReasonGranted),
			isFalse(hookv1.ConditionWatching, hookv1.ReasonLoading), metav1.ConditionFalse, hookv1.ReasonLoading),
		Entry("a kind that is not served, though it is suspended", metav1.Condition{
			Type: hookv1.ConditionPermissionsGranted, Status: metav1.ConditionUnknown, Reason: hookv1.ReasonKindNotServed,
		}, isFalse(hookv1.ConditionWatching, hookv1.ReasonSuspended), metav1.ConditionUnknown, hookv1.ReasonKindNotServed),
		Entry("not that a watch has stalled", isTrue(hookv1.ConditionPermissionsGranted, hookv1.ReasonGranted),
			isFalse(hookv1.ConditionWatching, hookv1.ReasonWatchStalled), metav1.ConditionTrue, hookv1.ReasonSucceeded),
		Entry("not that something was missed", isTrue(hookv1.ConditionPermissionsGranted, hookv1.ReasonGranted),
			isFalse(hookv1.ConditionWatching, hookv1.ReasonGapUnrecoverable), metav1.ConditionTrue, hookv1.ReasonSucceeded),
	)

	It("says that it is suspended, and is Ready", func(ctx SpecContext) {
		yes := true
		obj := newSource(namespace, "quiet", func(s *hookv1.WebhookEventSource) { s.Spec.Suspend = &yes })
		create(ctx, obj)
		dispatch(ctx, obj, isTrue(hookv1.ConditionPermissionsGranted, hookv1.ReasonGranted), isFalse(hookv1.ConditionWatching, hookv1.ReasonSuspended))
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded, "suspended")
	})

	It("has its expression checked against the schema of a kind that comes, and that changes", func(ctx SpecContext) {
		obj := newSource(namespace, "widgets", saying("object.spec.size > 3"), func(s *hookv1.WebhookEventSource) {
			s.Spec.Resources[0] = hookv1.WatchedResource{APIVersion: "shop.example.com/v1", Kind: "Widget"}
		})
		create(ctx, obj)
		seen(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
		Expect(condition(ctx, obj, hookv1.ConditionExpressionValid)()).To(
			be(metav1.ConditionTrue, hookv1.ReasonTypesUnknown, "Widget of shop.example.com/v1"))

		widgets := defineWidgets(ctx, "size")
		Eventually(condition(ctx, obj, hookv1.ConditionExpressionValid)).WithTimeout(time.Minute).Should(be(metav1.ConditionTrue, hookv1.ReasonValid))
		change(ctx, widgets, func(u *unstructured.Unstructured) { setWidgetFields(u, "sizes") })
		Eventually(condition(ctx, obj, hookv1.ConditionExpressionValid)).WithTimeout(time.Minute).Should(
			be(metav1.ConditionFalse, hookv1.ReasonInvalidExpression, "sizes"))
	})
})

// defineWidgets has the API server serve Widgets whose spec has one field, until the spec ends.
func defineWidgets(ctx context.Context, field string) *unstructured.Unstructured {
	GinkgoHelper()
	names := map[string]any{"kind": "Widget", "listKind": "WidgetList", "plural": "widgets", "singular": "widget"}
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": apiextensionsv1.SchemeGroupVersion.String(), "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": "widgets.shop.example.com"},
		"spec":     map[string]any{"group": "shop.example.com", "scope": "Namespaced", "names": names},
	}}
	setWidgetFields(obj, field)
	create(ctx, obj)
	DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(admin.Delete(ctx, obj))).To(Succeed()) })
	return obj
}

// setWidgetFields gives Widgets one field of a number.
func setWidgetFields(obj *unstructured.Unstructured, field string) {
	schema := map[string]any{"type": "object", "properties": map[string]any{
		"spec": map[string]any{"type": "object", "properties": map[string]any{field: map[string]any{"type": "integer"}}},
	}}
	obj.Object["spec"].(map[string]any)["versions"] = []any{runtime.DeepCopyJSON(map[string]any{
		"name": "v1", "served": true, "storage": true, "schema": map[string]any{"openAPIV3Schema": schema},
	})}
}
