// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"strconv"

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
	var revision, timeout string

	It("takes changed values by helm upgrade, while events flow", func(ctx SpecContext) {
		before := settle(ctx)
		revision = currentRevision(ctx)
		var err error
		timeout, err = defaultTimeout(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(timeout).NotTo(Or(BeEmpty(), Equal("7s")))
		produce(ctx, fast)
		flow(ctx, 50)
		upgrade(ctx, "--set", "config.defaults.timeout=7s")
		Eventually(defaultTimeout).WithContext(ctx).Should(Equal("7s"))
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

	It("takes the values before by helm rollback, while events flow", func(ctx SpecContext) {
		before := settle(ctx)
		produce(ctx, fast)
		flow(ctx, 50)
		_, err := run(ctx, "helm", "rollback", release, revision, "--namespace", system, "--wait")
		Expect(err).NotTo(HaveOccurred())
		Eventually(defaultTimeout).WithContext(ctx).Should(Equal(timeout))
		kubectl(ctx, "wait", "webhookendpoint/orders", "--namespace", shop, "--for=condition=Ready", "--timeout="+patience.String())
		flow(ctx, 50)
		total := settle(ctx).minus(before)
		Expect(total.duplicates).To(BeZero())
		seen.note("helm rollback to the revision before, whose default timeout the endpoints show again: %s", total)
	}, withTimeout)
}

// currentRevision is the number of the release's last revision.
func currentRevision(ctx context.Context) string {
	GinkgoHelper()
	out, err := run(ctx, "helm", "status", release, "--namespace", system, "--output=json")
	Expect(err).NotTo(HaveOccurred())
	var status struct{ Version int }
	Expect(json.Unmarshal([]byte(out), &status)).To(Succeed())
	Expect(status.Version).To(BeNumerically(">=", 1))
	return strconv.Itoa(status.Version)
}

// defaultTimeout is the timeout of the shop's endpoint, which has none of its own.
func defaultTimeout(ctx context.Context) (string, error) {
	return run(ctx, "kubectl", "get", "webhookendpoint", "orders", "--namespace", shop, "--output=jsonpath={.status.effective.timeout}")
}
