// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	gomegatypes "github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

const (
	teamA, teamB = "team-a", "team-b"
	// developer is a ServiceAccount of team-a that has posthorn-edit there and nothing else.
	developer = teamA + ":developer"
)

// keepsTenantsApart looks at what posthorn-edit in one namespace is good for.
func keepsTenantsApart() {
	Context("for a tenant with posthorn-edit in one namespace", Ordered, func() {
		var tenant cluster
		BeforeAll(func(ctx SpecContext) {
			for _, team := range []string{teamA, teamB} {
				kubectl(ctx, "create", "namespace", team)
			}
			kubectl(ctx, "create", "serviceaccount", "developer", "--namespace", teamA)
			kubectl(ctx, "create", "rolebinding", "developer-edits", "--namespace", teamA,
				"--clusterrole=posthorn-edit", "--serviceaccount="+developer)
			tenant = kube.as(ctx, teamA, "developer")
		}, NodeTimeout(patience))

		It("allows all of it there", func(ctx SpecContext) {
			done := everyVerb(ctx, tenant, teamA, Succeed)
			Expect(mayI(ctx, developer, teamA, "get", "webhookdeliveries.log.posthorn.dev")).To(BeTrue(), "the delivery log")
			seen.note("a tenant with posthorn-edit in %s: %d requests on endpoints and subscriptions succeeded there", teamA, done)
		}, withTimeout)

		It("allows nothing of it elsewhere", func(ctx SpecContext) {
			refused := 0
			for _, namespace := range []string{teamB, shop, system} {
				refused += everyVerb(ctx, tenant, namespace, beForbidden)
				Expect(mayI(ctx, developer, namespace, "get", "webhookdeliveries.log.posthorn.dev")).To(BeFalse())
			}
			for _, list := range []client.ObjectList{&hookv1.WebhookEndpointList{}, &hookv1.WebhookSubscriptionList{}} {
				Expect(tenant.client.List(ctx, list)).To(beForbidden(), "a list of all namespaces")
				refused++
			}
			seen.note("the same tenant elsewhere: %d requests, each forbidden", refused)
		}, withTimeout)

		It("shows no Secret, allows no status and no posting", func(ctx SpecContext) {
			for _, namespace := range []string{teamA, teamB, shop, system} {
				Expect(tenant.client.List(ctx, &corev1.SecretList{}, client.InNamespace(namespace))).To(beForbidden(), namespace)
			}
			for _, refused := range [][2]string{
				{"patch", "webhookendpoints.posthorn.dev/status"},
				{"update", "webhooksubscriptions.posthorn.dev/status"},
				{"create", "events.posthorn.dev"},
				{"get", "webhookdeliveries.log.posthorn.dev/event"},
			} {
				Expect(mayI(ctx, developer, teamA, refused[0], refused[1])).To(BeFalse(), "%v", refused)
			}
			seen.note("the same tenant gets no Secret, writes no status, posts no event and reads no event's body")
		}, withTimeout)
	})
}

// everyVerb does everything that can be done with endpoints and subscriptions in a namespace, holds each answer
// against want, and returns how many there were.
func everyVerb(ctx context.Context, who cluster, namespace string, want func() gomegatypes.GomegaMatcher) int {
	GinkgoHelper()
	count := 0
	check := func(err error, what string) {
		GinkgoHelper()
		count++
		Expect(err).To(want(), "%s in %s", what, namespace)
	}
	for kind, object := range map[string]client.Object{
		"endpoint":     endpoint(namespace, "everything", "https://hooks.example.com/"),
		"subscription": subscription(namespace, "everything"),
	} {
		key := client.ObjectKeyFromObject(object)
		check(who.client.Create(ctx, object), "create "+kind)
		check(who.client.Get(ctx, key, object), "get "+kind)
		check(who.client.List(ctx, listOf(object), client.InNamespace(namespace)), "list "+kind)
		check(who.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"suspend":true}}`))), "patch "+kind)
		check(retry.RetryOnConflict(retry.DefaultBackoff, func() error {
			if err := who.client.Get(ctx, key, object); err != nil {
				return err
			}
			return who.client.Update(ctx, object)
		}), "update "+kind)
		check(who.client.Delete(ctx, object), "delete "+kind)
		check(who.client.DeleteAllOf(ctx, object, client.InNamespace(namespace)), "delete all of "+kind)
	}
	return count
}

// beForbidden matches the API server's refusal.
func beForbidden() gomegatypes.GomegaMatcher {
	return WithTransform(apierrors.IsForbidden, BeTrue())
}

// endpoint returns an endpoint that sends to a URL.
func endpoint(namespace, name, url string) *hookv1.WebhookEndpoint {
	return &hookv1.WebhookEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       hookv1.WebhookEndpointSpec{URL: hookv1.URL(url)},
	}
}

// subscription returns a subscription of all orders for the endpoint of the same name.
func subscription(namespace, name string) *hookv1.WebhookSubscription {
	return &hookv1.WebhookSubscription{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: hookv1.WebhookSubscriptionSpec{
			EndpointRef: hookv1.EndpointRef{Name: hookv1.ObjectName(name)},
			EventTypes:  []hookv1.EventTypePattern{"com.example.order.*"},
		},
	}
}

// listOf returns an empty list of the object's kind.
func listOf(object client.Object) client.ObjectList {
	if _, ok := object.(*hookv1.WebhookEndpoint); ok {
		return &hookv1.WebhookEndpointList{}
	}
	return &hookv1.WebhookSubscriptionList{}
}
