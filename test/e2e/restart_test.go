// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
)

// outlivesItsPods deletes the dispatcher's pod while events flow: politely, and by force, so that for a moment the old
// pod may still be there when the new one starts on the same volume.
func outlivesItsPods() {
	var before balance

	It("loses nothing and repeats nothing when the dispatcher's pod is deleted in the middle of a stream", func(ctx SpecContext) {
		before = settle(ctx)
		claim := dispatcherClaim(ctx)
		replaceDispatcher(ctx)
		total := settle(ctx)
		Expect(total.minus(before).duplicates).To(BeZero(), "a graceful stop repeats nothing")
		Expect(dispatcherClaim(ctx)).To(Equal(claim), "the volume of the new pod")
		seen.note("dispatcher's pod deleted in the middle of a stream: %s", total.minus(before))
		before = total
	}, withTimeout)

	It("loses nothing when that pod is deleted by force", func(ctx SpecContext) {
		replaceDispatcher(ctx, "--force", "--grace-period=0")
		total := settle(ctx)
		seen.note("dispatcher's pod deleted by force: %s", total.minus(before))
	}, withTimeout)
}

// replaceDispatcher deletes the dispatcher's pod while events flow, and returns when they flow again through another.
func replaceDispatcher(ctx context.Context, how ...string) {
	GinkgoHelper()
	produce(ctx, fast)
	flow(ctx, 100)
	old := dispatcherPod(ctx)
	kubectl(ctx, append([]string{"delete", "pod", old.Name, "--namespace", system, "--wait=false"}, how...)...)
	Eventually(func(g Gomega, ctx context.Context) {
		pods, err := kube.pods(ctx, "dispatcher")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(pods).To(HaveLen(1))
		g.Expect(pods[0].UID).NotTo(Equal(old.UID))
		g.Expect(pods[0].Status.Conditions).To(ContainElement(And(
			HaveField("Type", corev1.PodReady), HaveField("Status", corev1.ConditionTrue))))
	}).WithContext(ctx).Should(Succeed())
	flow(ctx, 100)
}

// dispatcherPod returns the one pod of the dispatcher.
func dispatcherPod(ctx context.Context) corev1.Pod {
	GinkgoHelper()
	pods, err := kube.pods(ctx, "dispatcher")
	Expect(err).NotTo(HaveOccurred())
	Expect(pods).To(HaveLen(1))
	return pods[0]
}

// dispatcherClaim returns the UID of the claim that the dispatcher's pod mounts.
func dispatcherClaim(ctx context.Context) string {
	GinkgoHelper()
	for _, volume := range dispatcherPod(ctx).Spec.Volumes {
		if volume.PersistentVolumeClaim != nil {
			return claimUID(ctx, volume.PersistentVolumeClaim.ClaimName)
		}
	}
	Fail("the dispatcher's pod mounts no PersistentVolumeClaim")
	return ""
}

func claimUID(ctx context.Context, name string) string {
	GinkgoHelper()
	return kubectl(ctx, "get", "persistentvolumeclaim", name, "--namespace", system, "--output=jsonpath={.metadata.uid}")
}
