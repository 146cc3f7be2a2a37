// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package crd

import (
	"context"
	"encoding/json"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	applyv1 "github.com/posthorn-dev/posthorn/internal/applyconfiguration/api/v1alpha1"
)

func inNamespace(own string) client.ListOption { return client.InNamespace(own) }

var _ = Describe("Field selectors", Ordered, func() {
	var own string

	BeforeAll(func(ctx SpecContext) {
		own = newNamespace(ctx)
		store(ctx, own, "WebhookEndpoint", "open", `{url: "https://a.example.com", signing: {scheme: GitHub}}`)
		store(ctx, own, "WebhookEndpoint", "gone", `{serviceRef: {name: pods, port: 80}, suspend: true}`)
		store(ctx, own, "WebhookSubscription", "data", `{endpointRef: {name: open}, eventTypes: ["*"], payload: {format: Data}, deadLetter: {endpointRef: {name: gone}}}`)
		store(ctx, own, "WebhookSubscription", "plain", `{endpointRef: {name: gone}, eventTypes: ["*"], suspend: true}`)
		store(ctx, own, "WebhookEventType", "strict", `{type: com.example.a}`)
		store(ctx, own, "WebhookEventType", "lax", `{type: com.example.b, enforcement: Warn}`)
		store(ctx, own, "WebhookEventSource", "edges", `{serviceAccountName: reader, resources: [{apiVersion: v1, kind: Pod}], when: {expression: "true", emit: Both}}`)
		store(ctx, own, "WebhookEventSource", "whole", `{serviceAccountName: other, resources: [{apiVersion: v1, kind: Pod}], namespaces: {from: All}, data: {form: Object}, suspend: true}`)
		applyStatus(ctx, hookv1.FieldManagerDispatcher, applyv1.WebhookEndpoint("open", own).WithStatus(
			applyv1.WebhookEndpointStatus().WithCircuit(applyv1.CircuitStatus().WithState(hookv1.CircuitStateOpen))))
		applyStatus(ctx, hookv1.FieldManagerDispatcher, applyv1.WebhookEndpoint("gone", own).WithStatus(
			applyv1.WebhookEndpointStatus().WithDisabled(applyv1.DisabledStatus().WithReason(hookv1.DisabledReasonGone))))
		applyStatus(ctx, hookv1.FieldManagerOperator, applyv1.WebhookEndpoint("open", own).WithStatus(
			applyv1.WebhookEndpointStatus().WithHost("a.example.com").WithSigning(applyv1.SigningStatus().WithSecretName("open-signing"))))
		applyStatus(ctx, hookv1.FieldManagerOperator, applyv1.WebhookSubscription("data", own).WithStatus(
			applyv1.WebhookSubscriptionStatus().WithEndpoint(own+"/open")))
	})

	DescribeTable("find", func(ctx SpecContext, resource, selector, want string) {
		Expect(kubectl(ctx, "get", resource, "-n", own, "--field-selector", selector, "-o", "name")).
			To(Equal(want + "\n"))
	},
		Entry("endpoints by state of the circuit", "whe", "status.circuit.state=Open", "webhookendpoint.posthorn.dev/open"),
		Entry("endpoints by host", "whe", "status.host=a.example.com", "webhookendpoint.posthorn.dev/open"),
		Entry("endpoints by why they are disabled", "whe", "status.disabled.reason=Gone", "webhookendpoint.posthorn.dev/gone"),
		Entry("endpoints by signing Secret", "whe", "status.signing.secretName=open-signing", "webhookendpoint.posthorn.dev/open"),
		Entry("endpoints by scheme", "whe", "spec.signing.scheme=GitHub", "webhookendpoint.posthorn.dev/open"),
		Entry("endpoints by Service", "whe", "spec.serviceRef.name=pods", "webhookendpoint.posthorn.dev/gone"),
		Entry("suspended endpoints", "whe", "spec.suspend=true", "webhookendpoint.posthorn.dev/gone"),
		Entry("subscriptions by endpoint", "whs", "spec.endpointRef.name=gone", "webhooksubscription.posthorn.dev/plain"),
		Entry("subscriptions by format", "whs", "spec.payload.format=Data", "webhooksubscription.posthorn.dev/data"),
		Entry("subscriptions by dead-letter endpoint", "whs", "spec.deadLetter.endpointRef.name=gone", "webhooksubscription.posthorn.dev/data"),
		Entry("event types by type", "wht", "spec.type=com.example.a", "webhookeventtype.posthorn.dev/strict"),
		Entry("event types by enforcement", "wht", "spec.enforcement=Warn", "webhookeventtype.posthorn.dev/lax"),
		Entry("suspended subscriptions", "whs", "spec.suspend=true", "webhooksubscription.posthorn.dev/plain"),
		Entry("event sources by ServiceAccount", "wes", "spec.serviceAccountName=reader", "webhookeventsource.posthorn.dev/edges"),
		Entry("event sources by where they look", "wes", "spec.namespaces.from=All", "webhookeventsource.posthorn.dev/whole"),
		Entry("event sources by when they send", "wes", "spec.when.emit=Both", "webhookeventsource.posthorn.dev/edges"),
		Entry("event sources by what they tell", "wes", "spec.data.form=Object", "webhookeventsource.posthorn.dev/whole"),
		Entry("suspended event sources", "wes", "spec.suspend=true", "webhookeventsource.posthorn.dev/whole"),
	)

	It("find subscriptions by the endpoint that they send to", func(ctx SpecContext) {
		Expect(kubectl(ctx, "get", "whs", "-A", "--field-selector", "status.endpoint="+own+"/open", "-o", "name")).
			To(Equal("webhooksubscription.posthorn.dev/data\n"))
	})
})

var _ = Describe("kubectl get", Ordered, func() {
	var own string

	BeforeAll(func(ctx SpecContext) {
		own = newNamespace(ctx)
		store(ctx, own, "WebhookEndpoint", "billing", `{url: "https://billing.example.com"}`)
		store(ctx, own, "WebhookSubscription", "orders", `{endpointRef: {name: billing}, eventTypes: [com.example.order.*]}`)
		ready := readyCondition(hookv1.ConditionReady, hookv1.ReasonSucceeded)
		applyStatus(ctx, hookv1.FieldManagerOperator, applyv1.WebhookEndpoint("billing", own).WithStatus(
			applyv1.WebhookEndpointStatus().WithHost("billing.example.com").WithSubscriptions(1).WithConditions(ready)))
		applyStatus(ctx, hookv1.FieldManagerDispatcher, applyv1.WebhookEndpoint("billing", own).WithStatus(
			applyv1.WebhookEndpointStatus().WithCircuit(applyv1.CircuitStatus().WithState(hookv1.CircuitStateClosed)).
				WithDeliveries(applyv1.EndpointDeliveries().WithPending(0))))
		applyStatus(ctx, hookv1.FieldManagerOperator, applyv1.WebhookSubscription("orders", own).WithStatus(
			applyv1.WebhookSubscriptionStatus().WithConditions(ready)))
		applyStatus(ctx, hookv1.FieldManagerDispatcher, applyv1.WebhookSubscription("orders", own).WithStatus(
			applyv1.WebhookSubscriptionStatus().WithConditions(readyCondition(hookv1.ConditionDelivering, hookv1.ReasonHealthy)).
				WithDeliveries(applyv1.SubscriptionDeliveries().WithPending(3).WithDeadLettered(2))))
		store(ctx, own, "WebhookEventSource", "degraded", `{serviceAccountName: reader, resources: [{apiVersion: apps/v1, kind: Deployment}]}`)
		applyStatus(ctx, hookv1.FieldManagerOperator, applyv1.WebhookEventSource("degraded", own).WithStatus(
			applyv1.WebhookEventSourceStatus().WithConditions(ready).
				WithEffective(applyv1.EffectiveEventSource().WithResources("Deployment"))))
		applyStatus(ctx, hookv1.FieldManagerDispatcher, applyv1.WebhookEventSource("degraded", own).WithStatus(
			applyv1.WebhookEventSourceStatus().WithConditions(readyCondition(hookv1.ConditionWatching, hookv1.ReasonLive)).
				WithObjects(12).WithEmitted(7)))
	})

	It("answers the first questions about event types", func(ctx SpecContext) {
		own := newNamespace(ctx)
		store(ctx, own, "WebhookEventType", "order", `{type: com.example.order.created, description: An order.}`)
		applyStatus(ctx, hookv1.FieldManagerOperator, applyv1.WebhookEventType("order", own).WithStatus(
			applyv1.WebhookEventTypeStatus().WithSubscriptions(2).WithConditions(
				readyCondition(hookv1.ConditionReady, hookv1.ReasonSucceeded),
				readyCondition(hookv1.ConditionSubscriptionsCompatible, hookv1.ReasonCompatible))))
		narrow, wide, cells := table(ctx, own, "webhookeventtypes")
		Expect(narrow).To(Equal([]string{"Name", "Type", "Ready", "Reason", "Enforcement", "Compatible", "Subscriptions", "Last Seen", "Age"}))
		Expect(wide).To(Equal([]string{"Description"}))
		Expect(cells).To(HaveKeyWithValue("Type", "com.example.order.created"))
		Expect(cells).To(HaveKeyWithValue("Ready", "True"))
		Expect(cells).To(HaveKeyWithValue("Enforcement", "Enforce"))
		Expect(cells).To(HaveKeyWithValue("Compatible", "True"))
		Expect(cells).To(HaveKeyWithValue("Subscriptions", BeNumerically("==", 2)))
		Expect(cells).To(HaveKeyWithValue("Description", "An order."))
	})

	It("answers the first questions about endpoints", func(ctx SpecContext) {
		narrow, wide, cells := table(ctx, own, "webhookendpoints")
		Expect(narrow).To(Equal([]string{"Name", "Host", "Ready", "Reason", "Circuit", "Pending", "Last Success", "Age"}))
		Expect(wide).To(Equal([]string{"Scheme", "Subscriptions", "Rotates"}))
		Expect(cells).To(HaveKeyWithValue("Host", "billing.example.com"))
		Expect(cells).To(HaveKeyWithValue("Ready", "True"))
		Expect(cells).To(HaveKeyWithValue("Reason", "Succeeded"))
		Expect(cells).To(HaveKeyWithValue("Circuit", "Closed"))
		Expect(cells).To(HaveKeyWithValue("Pending", BeNumerically("==", 0)))
		Expect(cells).To(HaveKeyWithValue("Scheme", "StandardWebhooks"))
		Expect(cells).To(HaveKeyWithValue("Subscriptions", BeNumerically("==", 1)))
	})

	It("answers the first questions about subscriptions", func(ctx SpecContext) {
		narrow, wide, cells := table(ctx, own, "webhooksubscriptions")
		Expect(narrow).To(Equal([]string{"Name", "Endpoint", "Events", "Ready", "Reason", "Delivering", "Pending", "Dead", "Last Success", "Age"}))
		Expect(wide).To(BeEmpty())
		Expect(cells).To(HaveKeyWithValue("Endpoint", "billing"))
		Expect(cells).To(HaveKeyWithValue("Events", ContainSubstring("com.example.order.*")))
		Expect(cells).To(HaveKeyWithValue("Delivering", "True"))
		Expect(cells).To(HaveKeyWithValue("Pending", BeNumerically("==", 3)))
		Expect(cells).To(HaveKeyWithValue("Dead", BeNumerically("==", 2)))
	})

	It("answers the first questions about event sources", func(ctx SpecContext) {
		narrow, wide, cells := table(ctx, own, "webhookeventsources")
		Expect(narrow).To(Equal([]string{"Name", "Resources", "Ready", "Reason", "Watching", "Objects", "Last Event", "Age"}))
		Expect(wide).To(Equal([]string{"Events", "Service Account", "Namespaces"}))
		Expect(cells).To(HaveKeyWithValue("Resources", "Deployment"))
		Expect(cells).To(HaveKeyWithValue("Ready", "True"))
		Expect(cells).To(HaveKeyWithValue("Watching", "True"))
		Expect(cells).To(HaveKeyWithValue("Objects", BeNumerically("==", 12)))
		Expect(cells).To(HaveKeyWithValue("Events", BeNumerically("==", 7)))
		Expect(cells).To(HaveKeyWithValue("Service Account", "reader"))
		Expect(cells).To(HaveKeyWithValue("Namespaces", "Same"))
	})

	It("knows the category", func(ctx SpecContext) {
		Expect(kubectl(ctx, "get", "posthorn", "-n", own, "-o", "name")).To(Equal(
			"webhookendpoint.posthorn.dev/billing\nwebhookeventsource.posthorn.dev/degraded\nwebhooksubscription.posthorn.dev/orders\n"))
	})
})

var _ = Describe("The resources", func() {
	It("explain every field", func(ctx SpecContext) {
		for _, kind := range kinds {
			// The API server publishes the schema of a new resource a moment after it serves it.
			Eventually(ctx, func(g Gomega) {
				output, err := runKubectl(ctx, "explain", kind, "--recursive")
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(output).To(ContainSubstring("observedGeneration"))
			}).WithTimeout(commandTimeout).WithPolling(time.Second).Should(Succeed())
			Expect(kubectl(ctx, "explain", kind+".spec")).NotTo(ContainSubstring("<no description>"))
		}
	}, NodeTimeout(commandTimeout))

	It("have short names, the category and at most 8 selectable fields", func() {
		clients, err := kubernetes.NewForConfig(cluster.Config())
		Expect(err).NotTo(HaveOccurred())
		list, err := clients.Discovery().ServerResourcesForGroupVersion(hookv1.GroupVersion.String())
		Expect(err).NotTo(HaveOccurred())
		shortNames := map[string][]string{}
		for _, resource := range list.APIResources {
			if len(resource.ShortNames) > 0 {
				shortNames[resource.Kind] = resource.ShortNames
			}
		}
		Expect(shortNames).To(Equal(map[string][]string{
			"WebhookEndpoint": {"whe"}, "WebhookSubscription": {"whs"}, "WebhookEventSource": {"wes"}, "WebhookEventType": {"wht"},
		}))
		for _, kind := range kinds {
			crd := definition(kind)
			Expect(crd.Spec.Names.Categories).To(ConsistOf("posthorn"))
			Expect(len(crd.Spec.Versions[0].SelectableFields)).To(BeNumerically("<=", 8))
		}
	})
})

// table returns the columns that kubectl prints for a namespace's resources, those of -o wide apart,
// and the cells of the first row.
func table(ctx context.Context, own, resource string) (narrow, wide []string, cells map[string]any) {
	GinkgoHelper()
	clients, err := kubernetes.NewForConfig(cluster.Config())
	Expect(err).NotTo(HaveOccurred())
	raw, err := clients.RESTClient().Get().
		AbsPath("/apis", hookv1.GroupVersion.Group, hookv1.GroupVersion.Version, "namespaces", own, resource).
		SetHeader("Accept", "application/json;as=Table;g=meta.k8s.io;v=v1").
		DoRaw(ctx)
	Expect(err).NotTo(HaveOccurred())
	var printed metav1.Table
	Expect(json.Unmarshal(raw, &printed)).To(Succeed())
	Expect(printed.Rows).To(HaveLen(1))
	cells = map[string]any{}
	for i, column := range printed.ColumnDefinitions {
		cells[column.Name] = printed.Rows[0].Cells[i]
		if column.Priority == 0 {
			narrow = append(narrow, column.Name)
		} else {
			wide = append(wide, column.Name)
		}
	}
	return narrow, wide, cells
}
