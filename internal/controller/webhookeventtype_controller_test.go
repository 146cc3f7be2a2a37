// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// newEventType returns a description of com.example.order.created with a schema.
func newEventType(namespace, name, schema string, edit ...func(*hookv1.WebhookEventType)) *hookv1.WebhookEventType {
	obj := &hookv1.WebhookEventType{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       hookv1.WebhookEventTypeSpec{Type: "com.example.order.created"},
	}
	if schema != "" {
		obj.Spec.Schema = &runtime.RawExtension{Raw: []byte(schema)}
	}
	for _, e := range edit {
		e(obj)
	}
	return obj
}

// Schemas of the specs.
const (
	withTotal  = `{"type":"object","properties":{"total":{"type":"number"},"customer":{"type":"object","properties":{"email":{"type":"string"}}}}}`
	withAmount = `{"type":"object","properties":{"amount":{"type":"number"}}}`
)

var _ = Describe("A WebhookEventType", func() {
	var namespace string
	BeforeEach(func(ctx SpecContext) { namespace = newNamespace(ctx, nil) })

	examples := func(raw ...string) func(*hookv1.WebhookEventType) {
		return func(t *hookv1.WebhookEventType) {
			for _, r := range raw {
				t.Spec.Examples = append(t.Spec.Examples, runtime.RawExtension{Raw: []byte(r)})
			}
		}
	}
	subscribed := func(name, filter string, types ...hookv1.EventTypePattern) *hookv1.WebhookSubscription {
		return newSubscription(namespace, name, "billing", func(s *hookv1.WebhookSubscription) {
			s.Spec.EventTypes, s.Spec.Filter = types, filter
		})
	}
	filterValid := func(ctx context.Context, obj *hookv1.WebhookSubscription) func() *metav1.Condition {
		return condition(ctx, obj, hookv1.ConditionFilterValid)
	}

	It("is Ready once the dispatcher checks events by it", func(ctx SpecContext) {
		obj := newEventType(namespace, "order", withTotal, examples(`{"total": 12.5}`))
		create(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionUnknown, hookv1.ReasonWaitingForDispatcher)
		Expect(condition(ctx, obj, hookv1.ConditionSchemaValid)()).To(be(metav1.ConditionTrue, hookv1.ReasonValid))
		Expect(condition(ctx, obj, hookv1.ConditionSubscriptionsCompatible)()).To(be(metav1.ConditionTrue, hookv1.ReasonCompatible))
		route(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded, "com.example.order.created", "refused")

		change(ctx, obj, func(t *hookv1.WebhookEventType) { t.Spec.Enforcement = hookv1.EnforcementWarn })
		expectReady(ctx, obj, metav1.ConditionUnknown, hookv1.ReasonWaitingForDispatcher)
		route(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded, "counted and taken")

		change(ctx, obj, func(t *hookv1.WebhookEventType) { t.Spec.Schema = nil })
		route(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded, "any data")
	})

	DescribeTable("stalls on what no retry can help, and goes on when it is corrected",
		func(ctx context.Context, reason, message, schema string, data ...string) {
			obj := newEventType(namespace, "order", schema, examples(data...))
			create(ctx, obj)
			expectReady(ctx, obj, metav1.ConditionFalse, reason, message)
			Expect(condition(ctx, obj, hookv1.ConditionSchemaValid)()).To(be(metav1.ConditionFalse, reason, message))
			Expect(condition(ctx, obj, hookv1.ConditionStalled)()).To(be(metav1.ConditionTrue, reason))
			Expect(condition(ctx, obj, hookv1.ConditionSubscriptionsCompatible)()).To(BeNil())
			change(ctx, obj, func(t *hookv1.WebhookEventType) {
				t.Spec.Schema, t.Spec.Examples = &runtime.RawExtension{Raw: []byte(withTotal)}, nil
			})
			route(ctx, obj)
			expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
			Expect(condition(ctx, obj, hookv1.ConditionStalled)()).To(BeNil())
		},
		Entry("a schema that is none", hookv1.ReasonSchemaInvalid, "spec.schema: at /properties/a/type", `{"properties":{"a":{"type":"strin"}}}`),
		Entry("a schema elsewhere", hookv1.ReasonRemoteRefNotAllowed, "https://example.com/order.json", `{"$ref":"https://example.com/order.json"}`),
		Entry("an example that is not valid", hookv1.ReasonExampleInvalid, "spec.examples[1]: at /total: got string, want number",
			withTotal, `{"total":1}`, `{"total":"1"}`),
	)

	It("gives way to an older one of its type, and takes over when that is gone", func(ctx SpecContext) {
		older := newEventType(namespace, "z-older", withTotal)
		create(ctx, older)
		route(ctx, older)
		expectReady(ctx, older, metav1.ConditionTrue, hookv1.ReasonSucceeded)
		// Of two of the same second the name decides, which is not what is tested here.
		Eventually(time.Now).Should(BeTemporally(">=", older.CreationTimestamp.Add(time.Second)))
		younger := newEventType(namespace, "a-younger", withAmount)
		create(ctx, younger)
		expectReady(ctx, younger, metav1.ConditionFalse, hookv1.ReasonTypeConflict, "z-older")
		Expect(condition(ctx, younger, hookv1.ConditionSchemaValid)()).To(be(metav1.ConditionFalse, hookv1.ReasonTypeConflict))
		Expect(condition(ctx, younger, hookv1.ConditionReconciling)()).To(be(metav1.ConditionTrue, hookv1.ReasonTypeConflict))
		Expect(admin.Delete(ctx, older)).To(Succeed())
		route(ctx, younger)
		expectReady(ctx, younger, metav1.ConditionTrue, hookv1.ReasonSucceeded)
	})

	It("counts the subscriptions that take it", func(ctx SpecContext) {
		obj := newEventType(namespace, "order", withTotal)
		create(ctx, obj)
		count := func(want int) {
			GinkgoHelper()
			Eventually(func() *int32 { refresh(ctx, obj); return obj.Status.Subscriptions }).Should(HaveValue(BeEquivalentTo(want)))
		}
		count(0)
		exact, other := subscribed("exact", "", "com.example.order.created"), subscribed("other", "", "com.example.order.deleted")
		for _, s := range []*hookv1.WebhookSubscription{
			exact, other, subscribed("prefix", "", "com.example.*"), subscribed("all", "", "*"),
		} {
			create(ctx, s)
		}
		count(3)
		change(ctx, other, func(s *hookv1.WebhookSubscription) { s.Spec.EventTypes = []hookv1.EventTypePattern{"*"} })
		count(4)
		Expect(admin.Delete(ctx, exact)).To(Succeed())
		count(3)
	})

	It("says which subscriptions its change breaks, and they say so too", func(ctx SpecContext) {
		readyEndpoint(ctx, newEndpoint(namespace, "billing"))
		obj := newEventType(namespace, "order", withTotal)
		create(ctx, obj)
		orders := subscribed("orders", "event.data.total > 100", "com.example.order.created")
		every := subscribed("every", "event.data.total > 100", "com.example.*")
		create(ctx, orders)
		create(ctx, every)
		route(ctx, orders)
		expectReady(ctx, orders, metav1.ConditionTrue, hookv1.ReasonSucceeded)
		Expect(condition(ctx, obj, hookv1.ConditionSubscriptionsCompatible)()).To(be(metav1.ConditionTrue, hookv1.ReasonCompatible))

		change(ctx, obj, func(t *hookv1.WebhookEventType) { t.Spec.Schema.Raw = []byte(withAmount) })
		Eventually(condition(ctx, obj, hookv1.ConditionSubscriptionsCompatible)).Should(
			be(metav1.ConditionFalse, hookv1.ReasonFieldNotFound, "orders (spec.filter: line 1, column 11: event.data.total does not exist"))
		Expect(condition(ctx, obj, hookv1.ConditionSubscriptionsCompatible)().Message).NotTo(ContainSubstring("every"), "it takes types that nobody describes")
		route(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
		expectReady(ctx, orders, metav1.ConditionFalse, hookv1.ReasonFieldNotFound, "the nearest is event.data.amount")
		Expect(condition(ctx, orders, hookv1.ConditionReconciling)()).To(be(metav1.ConditionTrue, hookv1.ReasonFieldNotFound))
		Expect(filterValid(ctx, every)()).To(be(metav1.ConditionTrue, hookv1.ReasonValid))

		change(ctx, obj, func(t *hookv1.WebhookEventType) { t.Spec.Schema.Raw = []byte(withTotal) })
		expectReady(ctx, orders, metav1.ConditionTrue, hookv1.ReasonSucceeded)
		Eventually(condition(ctx, obj, hookv1.ConditionSubscriptionsCompatible)).Should(be(metav1.ConditionTrue, hookv1.ReasonCompatible))
	})

	It("names the fields that filters and transforms read and that do not exist", func(ctx SpecContext) {
		create(ctx, newEventType(namespace, "order", withTotal))
		create(ctx, newEventType(namespace, "refund", withAmount, func(t *hookv1.WebhookEventType) { t.Spec.Type = "com.example.refund" }))
		create(ctx, newEventType(namespace, "note", "", func(t *hookv1.WebhookEventType) { t.Spec.Type = "com.example.note" }))
		const order, refund, note = "com.example.order.created", "com.example.refund", "com.example.note"
		for i, tc := range []struct {
			types             []hookv1.EventTypePattern
			filter, transform string
			message           string // none: it is valid
		}{
			{[]hookv1.EventTypePattern{order}, "event.data.totl > 1", "", "spec.filter: line 1, column 11: event.data.totl does not exist in " + order + "; the nearest is event.data.total"},
			{[]hookv1.EventTypePattern{order}, `has(event.data.customer.emial)`, "", "event.data.customer.emial does not exist in " + order + "; the nearest is event.data.customer.email"},
			{[]hookv1.EventTypePattern{order}, "", `{"to": event.data.email}`, "spec.payload.transform: line 1, column 18: event.data.email does not exist in " + order + "; the nearest is event.data.customer.email"},
			{[]hookv1.EventTypePattern{order, refund}, "event.data.nothing == 1", "", "does not exist in " + order + ", " + refund},
			{[]hookv1.EventTypePattern{order}, "event.data.total > 1 && event.subject == 'x' && event.customextension == 'x'", "", ""},
			{[]hookv1.EventTypePattern{order, refund}, "event.data.amount == 1 || event.data.total == 1", "", ""},
			{[]hookv1.EventTypePattern{order, note}, "event.data.totl > 1", "", ""},
			{[]hookv1.EventTypePattern{order, "com.example.other"}, "event.data.totl > 1", "", ""},
			{[]hookv1.EventTypePattern{order, "com.example.order.*"}, "event.data.totl > 1", "", ""},
		} {
			obj := subscribed(fmt.Sprintf("s%d", i), tc.filter, tc.types...)
			if tc.transform != "" {
				obj.Spec.Payload = &hookv1.Payload{Transform: tc.transform}
			}
			create(ctx, obj)
			want := be(metav1.ConditionFalse, hookv1.ReasonFieldNotFound, tc.message)
			if tc.message == "" {
				want = be(metav1.ConditionTrue, hookv1.ReasonValid)
			}
			Eventually(filterValid(ctx, obj)).Should(want, "%v %s %s", tc.types, tc.filter, tc.transform)
		}
	})

	It("is not written when nothing changed, nor looked at when it was seen", func(ctx SpecContext) {
		obj := newEventType(namespace, "order", withTotal)
		create(ctx, obj)
		route(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
		poke(ctx, obj)
		version := obj.ResourceVersion
		Consistently(func() string { refresh(ctx, obj); return obj.ResourceVersion }).Should(Equal(version))
	})
})
