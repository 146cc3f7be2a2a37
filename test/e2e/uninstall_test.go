// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// sectionLeft is the section of docs/installation.md about what helm uninstall does not take away.
const sectionLeft = "Remove what is left"

// leavesAndComesBack uninstalls the release with deliveries waiting, installs it again, and then takes all of it away.
func leavesAndComesBack() {
	var claim, key string
	var before balance

	It("keeps CRDs, keys and what is not delivered when it is uninstalled", func(ctx SpecContext) {
		before = settle(ctx)
		claim, key = dispatcherClaim(ctx), currentKey(ctx)
		holdBack(ctx, 50)
		Expect(whatWasReceived(ctx, shop, "receiver").Verified).To(Equal(before.requests), "deliveries of a suspended endpoint")

		page.section(ctx, sectionUninstall, nil)
		var deployments appsv1.DeploymentList
		Expect(kube.client.List(ctx, &deployments, client.InNamespace(system))).To(Succeed())
		Expect(deployments.Items).To(BeEmpty())
		Expect(kube.customResources(ctx)).To(HaveLen(4))
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

	restoresABackup()
	accountsForAll()

	It("leaves nothing behind when it is told so", func(ctx SpecContext) {
		// This goes back to the chart's own claim.
		upgrade(ctx, "--set", "crds.keep=false", "--set", "dispatcher.persistence.keep=false")
		kubectl(ctx, "delete", "persistentvolumeclaim", restored, "--namespace", system)
		_, err := run(ctx, "helm", "uninstall", release, "--namespace", system, "--wait")
		Expect(err).NotTo(HaveOccurred())
		Eventually(kube.customResources).WithContext(ctx).Should(BeEmpty())
		Expect(kubectl(ctx, "get", "persistentvolumeclaims", "--namespace", system, "--output=name")).To(BeEmpty())
		made := func() string {
			return kubectl(ctx, "get", "secrets,configmaps", "--namespace", system, "--output=name")
		}
		Expect(made()).To(And(ContainSubstring("posthorn-ingest-ca"), ContainSubstring("posthorn-ca")), "what the page says is left")
		installation := openPage("installation.md", nil)
		installation.section(ctx, sectionLeft, nil)
		Expect(made()).NotTo(ContainSubstring("posthorn"))
		Expect(kubectl(ctx, "get", "secrets", "--namespace", system, "--field-selector=type="+hookv1.SecretTypeEndpointCredentials,
			"--output=name")).To(BeEmpty(), "copies of tenants' keys")
		seen.note("helm uninstall, told to keep nothing: no CRD and no volume is left, and after one more command no key")
	}, withTimeout)

	It("has run every command of getting started", func(ctx SpecContext) {
		page.section(ctx, sectionInstall, nil) // for what follows to have something to remove
		page.section(ctx, sectionRemove, nil)
		Expect(page.missing()).To(BeEmpty(), "commands under headings that no spec follows")
		Expect(kube.customResources(ctx)).To(BeEmpty())
		seen.note("getting started: all %d blocks of commands ran", len(page.blocks))
	}, withTimeout)
}

// holdBack suspends the shop's endpoint, and returns when at least so many events were accepted that wait for it.
func holdBack(ctx context.Context, events int) {
	GinkgoHelper()
	By(fmt.Sprintf("suspending the endpoint and accepting %d events for it", events))
	suspend(ctx, true)
	produce(ctx, fast)
	flow(ctx, events)
	produce(ctx, 0)
	Eventually(func(ctx context.Context) int { return whatWasProduced(ctx).Pending }).WithContext(ctx).Should(BeZero())
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
