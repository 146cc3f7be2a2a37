// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package crd

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

var _ = describeCases("WebhookEventType", "type", map[string]specCase{
	"a type alone":                    {spec: `{type: com.example.order.created}`},
	"a type with a schema":            {spec: `{type: com.example.order.created, schema: {type: object, properties: {a: {$ref: "#/$defs/a"}}, $defs: {a: {}}}}`},
	"examples of any members":         {spec: `{type: com.example.order.created, examples: [{a: {b: [1, null, "x"]}}, {}]}`},
	"a type that begins like another": {spec: `{type: dev.posthornish.order}`},
	"a schema that is none":           {spec: `{type: com.example.order.created, schema: {type: strin}}`}, // SchemaValid says so
	"both forms of enforcement: Warn": {spec: `{type: com.example.order.created, enforcement: Warn}`},
	"a prefix":                        {spec: `{type: "com.example.*"}`, field: "spec.type", message: "type must be one type"},
	"a type with a space":             {spec: `{type: "com.example order"}`, field: "spec.type", message: "type must be one type"},
	"one of Posthorn's own":           {spec: `{type: dev.posthorn.source.gap}`, field: "spec.type", message: "type must not begin with dev.posthorn."},
})

var _ = Describe("A WebhookEventType", func() {
	var own string
	BeforeEach(func(ctx SpecContext) { own = newNamespace(ctx) })

	It("keeps its type, and says what to do instead", func(ctx SpecContext) {
		stored := store(ctx, own, "WebhookEventType", "order", `{type: com.example.order.created}`).(*hookv1.WebhookEventType)
		before := stored.DeepCopy()
		stored.Spec.Type = "com.example.order.deleted"
		expectRefusal(k8s.Patch(ctx, stored, client.MergeFrom(before)), "spec.type", "type cannot be changed: create another WebhookEventType")
	})

	It("keeps schema and examples as they are written", func(ctx SpecContext) {
		stored := store(ctx, own, "WebhookEventType", "order",
			`{type: com.example.order.created, schema: {type: object, x-own: [1, {a: null}]}, examples: [{a: [2, null]}]}`).(*hookv1.WebhookEventType)
		Expect(stored.Spec.Schema.Raw).To(MatchJSON(`{"type":"object","x-own":[1,{"a":null}]}`))
		Expect(stored.Spec.Examples).To(HaveLen(1))
		Expect(stored.Spec.Examples[0].Raw).To(MatchJSON(`{"a":[2,null]}`))
		Expect(stored.Spec.Enforcement).To(Equal(hookv1.EnforcementEnforce))
		expectNotObserved(stored.Status.ObservedGeneration)
	})
})
