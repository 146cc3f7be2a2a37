// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// leavesAndComesBack uninstalls the release with deliveries waiting, installs it again, and then takes all of it away.
func leavesAndComesBack() {
	var claim, key string
	var before balance

	It("keeps CRDs, keys and what is not delivered when it is uninstalled", func(ctx SpecContext) {
		before = settle(ctx)
		claim, key = dispatcherClaim(ctx), currentKey(ctx)
		By("suspending the endpoint and accepting 50 events for it")
		suspend(ctx, true)
		produce(ctx, fast)
		flow(ctx, 50)
		produce(ctx, 0)
		Eventually(func(ctx context.Context) int { return whatWasProduced(ctx).Pending }).WithContext(ctx).Should(BeZero())
		Expect(whatWasReceived(ctx, shop, "receiver").Verified).To(Equal(before.requests), "deliveries of a suspended endpoint")

		page.section(ctx, sectionUninstall, nil)
		var deployments appsv1.DeploymentList
		Expect(kube.client.List(ctx, &deployments, client.InNamespace(system))).To(Succeed())
		Expect(deployments.Items).To(BeEmpty())
		Expect(kube.customResources(ctx)).To(HaveLen(2))
		Expect(kubectl(ctx, "get", "webhookendpoints,webhooksubscriptions", "--namespace", shop, "--output=name")).NotTo(BeEmpty())
		Expect(currentKey(ctx)).To(Equal(key))
		Expect(kubectl(ctx, "get", "persistentvolumeclaims", "--namespace", system, "--output=jsonpath={.items[*].metadata.uid}")).
			To(Equal(claim))
		seen.note("helm uninstall: CRDs, endpoints, signing keys and the volume are still there")
	}, withTimeout)

	It("goes on where it was when it is installed again", func(ctx SpecContext) {
		page.section(ctx, sectionInstall, nil)
		suspend(ctx, false)
		total := settle(ctx).minus(before)
		Expect(total.accepted).To(BeNumerically(">=", 50))
		Expect(dispatcherClaim(ctx)).To(Equal(claim))
		Expect(currentKey(ctx)).To(Equal(key))
		seen.note("installed again: what had waited arrived, signed with the same key: %s", total)
	}, withTimeout)

	It("leaves nothing behind when it is told so", func(ctx SpecContext) {
		upgrade(ctx, "--set", "crds.keep=false", "--set", "dispatcher.persistence.keep=false")
		_, err := run(ctx, "helm", "uninstall", release, "--namespace", system, "--wait")
		Expect(err).NotTo(HaveOccurred())
		Eventually(kube.customResources).WithContext(ctx).Should(BeEmpty())
		Expect(kubectl(ctx, "get", "persistentvolumeclaims", "--namespace", system, "--output=name")).To(BeEmpty())
		seen.note("helm uninstall, told to keep nothing: no CRD and no volume is left")
	}, withTimeout)

	It("has run every command of getting started", func(ctx SpecContext) {
		page.section(ctx, sectionInstall, nil) // for what follows to have something to remove
		page.section(ctx, sectionRemove, nil)
		Expect(page.missing()).To(BeEmpty(), "commands under headings that no spec follows")
		Expect(kube.customResources(ctx)).To(BeEmpty())
		seen.note("getting started: all %d blocks of commands ran", len(page.blocks))
	}, withTimeout)
}

// suspend sets whether the shop's endpoint sends, and waits until the dispatcher knows.
func suspend(ctx context.Context, suspended bool) {
	GinkgoHelper()
	patch := `--patch={"spec":{"suspend":false}}`
	if suspended {
		patch = `--patch={"spec":{"suspend":true}}`
	}
	kubectl(ctx, "patch", "webhookendpoint", "orders", "--namespace", shop, "--type=merge", patch)
	kubectl(ctx, "wait", "webhookendpoint/orders", "--namespace", shop, "--for=condition=Ready", "--timeout="+(2*time.Minute).String())
}
