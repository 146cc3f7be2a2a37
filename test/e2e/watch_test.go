// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// watchesNamespaces confines the release to the shop and team-a, and lets it out again.
func watchesNamespaces() {
	It("keeps to watchNamespaces, with rights in those alone", func(ctx SpecContext) {
		before := settle(ctx)
		upgrade(ctx, "--set", "watchNamespaces={"+shop+","+teamA+"}")

		for _, account := range []string{"posthorn-operator", "posthorn-dispatcher"} {
			account = system + ":" + account
			for _, namespace := range []string{"", teamB} {
				for _, right := range [][2]string{
					{"list", "webhookendpoints.posthorn.dev"}, {"list", "secrets"}, {"patch", "webhookendpoints.posthorn.dev/status"},
				} {
					Expect(mayI(ctx, account, namespace, right[0], right[1])).To(BeFalse(), "%s %v in %q", account, right, namespace)
				}
			}
			Expect(mayI(ctx, account, shop, "list", "webhookendpoints.posthorn.dev")).To(BeTrue(), account)
		}

		By("making an endpoint in a namespace that is not listed, and then one in a namespace that is")
		for _, team := range []string{teamB, teamA} {
			Expect(kube.client.Create(ctx, endpoint(team, "watched", "https://203.0.113.7/"))).To(Succeed())
		}
		Eventually(observed(teamA)).WithContext(ctx).Should(BeTrue())
		Expect(observed(teamB)(ctx)).To(BeFalse(), "Posthorn looked at an endpoint of %s", teamB)

		produce(ctx, fast)
		flow(ctx, 50)
		total := settle(ctx).minus(before)
		seen.note("watchNamespaces: no right outside of the listed namespaces, no look at an endpoint there; in the shop %s", total)
	}, withTimeout)

	It("watches all namespaces again without it", func(ctx SpecContext) {
		upgrade(ctx)
		Eventually(observed(teamB)).WithContext(ctx).Should(BeTrue())
		seen.note("without watchNamespaces again: the endpoint of %s was taken up", teamB)
	}, withTimeout)
}

// observed says whether Posthorn has looked at the endpoint "watched" of a namespace.
func observed(namespace string) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		var object hookv1.WebhookEndpoint
		if err := kube.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "watched"}, &object); err != nil {
			return false, fmt.Errorf("get endpoint: %w", err)
		}
		return meta.FindStatusCondition(object.Status.Conditions, hookv1.ConditionReady) != nil, nil
	}
}
