// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// upgrade changes values of the release, and returns when all is ready again.
func upgrade(ctx context.Context, arguments ...string) {
	GinkgoHelper()
	all := append([]string{
		"upgrade", release, "charts/posthorn", "--namespace", system, "--wait",
		"--set", "image.registry=localhost", "--set", "image.tag=dev", "--values", values,
	}, arguments...)
	_, err := run(ctx, "helm", all...)
	Expect(err).NotTo(HaveOccurred())
}

// takesNewValues upgrades the release while events flow.
func takesNewValues() {
	It("takes changed values by helm upgrade, while events flow", func(ctx SpecContext) {
		before := settle(ctx)
		produce(ctx, fast)
		flow(ctx, 50)
		upgrade(ctx, "--set", "config.defaults.timeout=7s")
		Eventually(func(ctx context.Context) (string, error) {
			return run(ctx, "kubectl", "get", "webhookendpoint", "orders", "--namespace", shop, "--output=jsonpath={.status.effective.timeout}")
		}).WithContext(ctx).Should(Equal("7s"))
		flow(ctx, 50)
		total := settle(ctx).minus(before)
		Expect(total.duplicates).To(BeZero())
		seen.note("helm upgrade with another default timeout, which the endpoints show: %s", total)
	}, withTimeout)

	It("changes nothing by helm upgrade with the same values", func(ctx SpecContext) {
		old := dispatcherPod(ctx).UID
		upgrade(ctx, "--set", "config.defaults.timeout=7s")
		Expect(dispatcherPod(ctx).UID).To(Equal(old), "the pod, which nothing gave a reason to replace")
		seen.note("helm upgrade with the same values: no pod was replaced")
	}, withTimeout)
}
