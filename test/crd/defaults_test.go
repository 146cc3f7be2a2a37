// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package crd

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	applyv1 "github.com/posthorn-dev/posthorn/internal/applyconfiguration/api/v1alpha1"
)

// withoutDefaults are manifests that leave out every field that has a default, with the structs around
// them.
const withoutDefaults = `apiVersion: posthorn.dev/v1alpha1
kind: WebhookEndpoint
metadata:
  name: url
spec:
  url: https://billing.example.com/hooks
  signing: {}
  tls: {caRef: {name: ca}}
  rateLimit: {requests: 100}
  circuitBreaker: {failureThreshold: 5}
  allowSubscriptions: {}
---
apiVersion: posthorn.dev/v1alpha1
kind: WebhookEndpoint
metadata:
  name: service
spec:
  serviceRef: {name: billing, port: 8080}
---
apiVersion: posthorn.dev/v1alpha1
kind: WebhookSubscription
metadata:
  name: orders
spec:
  endpointRef: {name: url}
  eventTypes: [com.example.order.*]
  payload: {transform: event.data}
  retry:
    type: Exponential
    exponential: {initial: 5s, max: 1h, attempts: 5}
---
apiVersion: posthorn.dev/v1alpha1
kind: WebhookEventType
metadata:
  name: order
spec:
  type: com.example.order
  schema: {type: object}
---
apiVersion: posthorn.dev/v1alpha1
kind: WebhookEventSource
metadata:
  name: failed
spec:
  serviceAccountName: reader
  resources:
  - {apiVersion: batch/v1, kind: Job}
  - {apiVersion: events.k8s.io/v1, kind: Event}
  when: {expression: "true"}
  kubernetesEvents: {types: [Warning]}
`

var _ = DescribeTable("Manifests without any field that has a default",
	func(ctx SpecContext, flags ...string) {
		own := newNamespace(ctx)
		file := filepath.Join(GinkgoT().TempDir(), "manifests.yaml")
		Expect(os.WriteFile(file, []byte(withoutDefaults), 0o600)).To(Succeed())
		run := func(command string) string {
			GinkgoHelper()
			return kubectl(ctx, append([]string{command, "-n", own, "-f", file}, flags...)...)
		}
		run("apply")
		expectEveryDefault(ctx, own)
		// Creating an object drops the default of its status from what is stored, so that the next write
		// brings it there. That is the operator's.
		for _, name := range []string{"url", "service"} {
			applyStatus(ctx, hookv1.FieldManagerOperator, applyv1.WebhookEndpoint(name, own).WithStatus(
				applyv1.WebhookEndpointStatus().WithObservedGeneration(1)))
		}
		applyStatus(ctx, hookv1.FieldManagerOperator, applyv1.WebhookSubscription("orders", own).WithStatus(
			applyv1.WebhookSubscriptionStatus().WithObservedGeneration(1)))
		applyStatus(ctx, hookv1.FieldManagerOperator, applyv1.WebhookEventType("order", own).WithStatus(
			applyv1.WebhookEventTypeStatus().WithObservedGeneration(1)))
		applyStatus(ctx, hookv1.FieldManagerOperator, applyv1.WebhookEventSource("failed", own).WithStatus(
			applyv1.WebhookEventSourceStatus().WithObservedGeneration(1)))
		before := versions(ctx, own)
		Expect(run("diff")).To(BeEmpty())
		run("apply")
		Expect(versions(ctx, own)).To(Equal(before), "the second apply changes nothing")
	},
	Entry("do not drift when they are applied by the client", NodeTimeout(commandTimeout)),
	Entry("do not drift when they are applied by the server", "--server-side", NodeTimeout(commandTimeout)),
)

// expectEveryDefault expects that each field of a spec with a default got it, though no manifest names it.
func expectEveryDefault(ctx context.Context, own string) {
	GinkgoHelper()
	for _, kind := range kinds {
		written, stored := manifestsOf(kind), &unstructured.UnstructuredList{}
		stored.SetGroupVersionKind(hookv1.GroupVersion.WithKind(kind + "List"))
		Expect(k8s.List(ctx, stored, client.InNamespace(own))).To(Succeed())
		walk("", schemaOf(kind), func(path string, schema apiextensionsv1.JSONSchemaProps) {
			if schema.Default == nil || !strings.HasPrefix(path, "spec.") {
				return
			}
			Expect(holds(written, path)).To(Or(BeFalse(), Equal(schema.Type == "object")), "a manifest has %s", path)
			Expect(holds(stored.Items, path)).To(BeTrue(), "no manifest leaves %s out", path)
		})
	}
}

// manifestsOf parses those of one kind.
func manifestsOf(kind string) []unstructured.Unstructured {
	GinkgoHelper()
	var out []unstructured.Unstructured
	for document := range strings.SplitSeq(withoutDefaults, "---\n") {
		var obj unstructured.Unstructured
		Expect(yaml.Unmarshal([]byte(document), &obj.Object)).To(Succeed())
		if obj.GetKind() == kind {
			out = append(out, obj)
		}
	}
	return out
}

// holds reports whether one of the objects has a value at a path.
func holds(objects []unstructured.Unstructured, path string) bool {
	for i := range objects {
		if _, found, _ := unstructured.NestedFieldNoCopy(objects[i].Object, strings.Split(path, ".")...); found {
			return true
		}
	}
	return false
}
