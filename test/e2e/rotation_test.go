// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// overlap is how long both keys sign: longer than the kubelet takes to replace a mounted Secret once it is told to
// look.
const overlap = "1m"

// rotatesKeys rotates the signing key of the shop's endpoint while events flow.
func rotatesKeys() {
	It("rotates a key while events flow, and not one delivery is refused", func(ctx SpecContext) {
		before := settle(ctx)
		old := whatWasReceived(ctx, shop, "receiver").Key
		Expect(old).To(Equal(currentKey(ctx)))

		produce(ctx, fast)
		flow(ctx, 50)
		kubectl(ctx, "patch", "webhookendpoint", "orders", "--namespace", shop, "--type=merge",
			`--patch={"spec":{"signing":{"rotation":{"overlap":"`+overlap+`"}}}}`)
		kubectl(ctx, "annotate", "webhookendpoint", "orders", "--namespace", shop, "posthorn.dev/rotate="+time.Now().Format(time.RFC3339))
		Eventually(currentKey).WithContext(ctx).ShouldNot(Equal(old))
		fresh := currentKey(ctx)

		By("waiting until deliveries carry both signatures")
		Eventually(signatures).WithContext(ctx).Should(Equal(2))
		nudgeKubelet(ctx)
		By("waiting until the receiver verifies with the new key")
		Eventually(func(ctx context.Context) string { return whatWasReceived(ctx, shop, "receiver").Key }).
			WithContext(ctx).Should(Equal(fresh))
		By("waiting until the old key signs no more")
		Eventually(signatures).WithContext(ctx).Should(Equal(1))
		flow(ctx, 50)

		total := settle(ctx).minus(before)
		Expect(whatWasReceived(ctx, shop, "receiver").Refused).To(BeZero())
		seen.note("key rotated with an overlap of %s: %s; none refused with the old key, both or the new one", overlap, total)
	}, withTimeout)
}

// signatures returns how many signatures the last delivery carried.
func signatures(ctx context.Context) int { return whatWasReceived(ctx, shop, "receiver").Signatures }

// currentKey tells the key in the endpoint's Secret from others, as the receiver does.
func currentKey(ctx context.Context) string {
	GinkgoHelper()
	var secret corev1.Secret
	Expect(kube.client.Get(ctx, client.ObjectKey{Namespace: shop, Name: "orders-signing"}, &secret)).To(Succeed())
	digest := sha256.Sum256(secret.Data["current"])
	return hex.EncodeToString(digest[:6])
}

// nudgeKubelet changes the receiver's pod, which makes the kubelet look at what it mounts now instead of within a minute
// or two.
func nudgeKubelet(ctx context.Context) {
	GinkgoHelper()
	kubectl(ctx, "annotate", "pod", "--namespace", shop, "--selector=app=receiver", "--overwrite",
		"example.com/nudged="+time.Now().Format(time.RFC3339Nano))
}
