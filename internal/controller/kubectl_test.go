// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// manifests are what a user keeps in a repository: durations, defaults left out, and an annotation.
const manifests = `apiVersion: posthorn.dev/v1alpha1
kind: WebhookEndpoint
metadata:
  name: billing
spec:
  url: https://billing.example.com/hooks
  timeout: 15s
  disableAfter: 720h
  signing:
    rotation: {interval: 2160h, overlap: 24h}
  headers:
  - {name: X-Env, value: prod}
---
apiVersion: posthorn.dev/v1alpha1
kind: WebhookSubscription
metadata:
  name: orders
spec:
  endpointRef: {name: billing}
  eventTypes: ["com.example.order.*"]
  filter: event.data.total > 100
`

var _ = Describe("kubectl", func() {
	var namespace, file string
	BeforeEach(func(ctx SpecContext) {
		namespace = newNamespace(ctx, nil)
		file = filepath.Join(GinkgoT().TempDir(), "manifests.yaml")
		Expect(os.WriteFile(file, []byte(manifests), 0o600)).To(Succeed())
	})
	kubectl := func(ctx context.Context, args ...string) string {
		GinkgoHelper()
		args = append([]string{"--kubeconfig", plane.Kubeconfig(), "--namespace", namespace}, args...)
		out, err := exec.CommandContext(ctx, plane.Kubectl(), args...).CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		return string(out)
	}
	objects := func() (*hookv1.WebhookEndpoint, *hookv1.WebhookSubscription) {
		return newEndpoint(namespace, "billing"), newSubscription(namespace, "orders", "billing")
	}
	becomeReady := func(ctx context.Context) {
		GinkgoHelper()
		endpoint, subscription := objects()
		route(ctx, endpoint)
		route(ctx, subscription)
		kubectl(ctx, "wait", "--for=condition=Ready", "--timeout=20s", "webhookendpoint/billing", "webhooksubscription/orders")
	}

	DescribeTable("changes nothing when it applies twice, and finds no difference, while operator and dispatcher write",
		func(ctx context.Context, flags ...string) {
			apply := append([]string{"apply", "-f", file}, flags...)
			kubectl(ctx, apply...)
			becomeReady(ctx)
			endpoint, subscription := objects()
			refresh(ctx, endpoint)
			refresh(ctx, subscription)

			kubectl(ctx, apply...)
			kubectl(ctx, append([]string{"diff", "-f", file}, flags...)...)
			for _, obj := range []conditioned{endpoint, subscription} {
				before := obj.GetResourceVersion()
				refresh(ctx, obj)
				Expect(obj.GetResourceVersion()).To(Equal(before))
			}
			Expect(endpoint.Spec.DisableAfter).To(Equal(hookv1.Duration("720h")), "it is kept as it was written")
		},
		Entry("on the client's side"),
		Entry("on the server's side", "--server-side"),
	)

	It("waits for Ready of the generation that was applied last", func(ctx SpecContext) {
		kubectl(ctx, "apply", "-f", file)
		becomeReady(ctx)
		kubectl(ctx, "patch", "webhookendpoint", "billing", "--type=merge", "-p", `{"spec":{"timeout":"3s"}}`)
		cmd := exec.CommandContext(ctx, plane.Kubectl(), "--kubeconfig", plane.Kubeconfig(), "--namespace", namespace,
			"wait", "--for=condition=Ready", "--timeout=1s", "webhookendpoint/billing")
		out, err := cmd.CombinedOutput()
		Expect(err).To(HaveOccurred(), string(out))
		becomeReady(ctx)
	})

	It("selects by field, explains, and shows what matters first", func(ctx SpecContext) {
		kubectl(ctx, "apply", "-f", file)
		becomeReady(ctx)
		Expect(kubectl(ctx, "get", "whe", "--field-selector", "status.host=billing.example.com")).To(And(
			ContainSubstring("billing"), ContainSubstring("True"), ContainSubstring("Succeeded")))
		Expect(kubectl(ctx, "get", "whe", "--field-selector", "status.host=other.example.com")).NotTo(ContainSubstring("billing"))
		Expect(kubectl(ctx, "explain", "webhookendpoint.spec.timeout")).To(ContainSubstring("bounds one attempt"))
		Expect(kubectl(ctx, "describe", "whs", "orders")).To(And(ContainSubstring("FilterValid"), ContainSubstring("8 retries")))
	})

	It("deletes without the operator", func(ctx SpecContext) {
		kubectl(ctx, "apply", "-f", file)
		becomeReady(ctx)
		operator.stop()
		DeferCleanup(func() { operator = startOperator(context.Background()) })
		kubectl(ctx, "delete", "-f", file, "--timeout=20s")
	})

	It("creates an endpoint that was never looked at as not current", func(ctx SpecContext) {
		operator.stop()
		DeferCleanup(func() { operator = startOperator(context.Background()) })
		kubectl(ctx, "apply", "-f", file)
		endpoint, _ := objects()
		refresh(ctx, endpoint)
		Expect(*endpoint.Status.ObservedGeneration).To(Equal(int64(-1)))
		Expect(condition(ctx, endpoint, hookv1.ConditionReady)()).To(BeNil())
	})
})
