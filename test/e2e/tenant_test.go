// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e_test

import (
	"context"
	"net/http"

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
	// orders is the endpoint whose key the sample receiver mounts.
	orders = "orders"
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
			seen.note("a tenant with posthorn-edit in %s: %d requests on all kinds succeeded there", teamA, done)
		}, withTimeout)

		It("allows nothing of it elsewhere", func(ctx SpecContext) {
			refused := 0
			for _, namespace := range []string{teamB, shop, system} {
				refused += everyVerb(ctx, tenant, namespace, beForbidden)
				Expect(mayI(ctx, developer, namespace, "get", "webhookdeliveries.log.posthorn.dev")).To(BeFalse())
			}
			for _, list := range []client.ObjectList{
				&hookv1.WebhookEndpointList{}, &hookv1.WebhookSubscriptionList{}, &hookv1.WebhookEventSourceList{}, &hookv1.WebhookEventTypeList{},
			} {
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

		It("delivers by what the tenant made, and shows it the delivery log of its namespace alone", func(ctx SpecContext) {
			Expect(tenant.client.Create(ctx, receiverEndpoint(teamA))).To(Succeed())
			Expect(tenant.client.Create(ctx, subscription(teamA, orders))).To(Succeed())
			runApps(ctx, teamA)
			Eventually(func(ctx context.Context) int { return whatWasReceived(ctx, teamA, "receiver").Verified }).
				WithContext(ctx).Should(BeNumerically(">", 0))
			kubectl(ctx, "delete", "deployments,services", "producer", "--namespace", teamA)

			log := openLog(ctx, kube.token(ctx, teamA, "developer", "posthorn"))
			var records deliveries
			Eventually(func(g Gomega, ctx context.Context) {
				records = deliveries{}
				g.Expect(log.get(ctx, "/v1/namespaces/"+teamA+"/deliveries?outcome=Delivered", &records)).To(Equal(http.StatusOK))
				g.Expect(records.Items).NotTo(BeEmpty())
			}).WithContext(ctx).Should(Succeed())
			in := whatWasReceived(ctx, teamA, "receiver")
			Expect(in.Refused).To(BeZero(), "%v", in.Problems)
			for _, record := range records.Items {
				Expect(record.Endpoint).To(Equal(teamA + "/" + orders))
				Expect(in.Events).To(HaveKey(record.EventID), "delivered, as the log says, and not verified by the receiver")
			}
			for _, path := range []string{
				"/v1/namespaces/" + shop + "/deliveries", "/circuits",
				"/v1/namespaces/" + teamA + "/deliveries/" + records.Items[0].DeliveryID + "/event",
			} {
				Expect(log.get(ctx, path, nil)).To(Equal(http.StatusForbidden), path)
			}
			for _, object := range []client.Object{receiverEndpoint(teamA), subscription(teamA, orders)} {
				Expect(tenant.client.Delete(ctx, object)).To(Succeed())
			}
			kubectl(ctx, "delete", "deployments,services", "receiver", "--namespace", teamA)
			seen.note("by what the same tenant made: %d deliveries verified; it reads of %d of them in its delivery log, and in no other",
				in.Verified, len(records.Items))
		}, withTimeout)
	})
}

// everyVerb does everything that can be done with Posthorn's kinds in a namespace, holds each answer against want, and
// returns how many there were.
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
		"event source": eventSource(namespace, "everything"),
		"event type":   eventType(namespace, "everything"),
	} {
		key := client.ObjectKeyFromObject(object)
		check(who.client.Create(ctx, object), "create "+kind)
		check(who.client.Get(ctx, key, object), "get "+kind)
		check(who.client.List(ctx, listOf(object), client.InNamespace(namespace)), "list "+kind)
		check(who.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"app":"everything"}}}`))), "patch "+kind)
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

// receiverEndpoint returns an endpoint that sends to the receiver of its namespace.
func receiverEndpoint(namespace string) *hookv1.WebhookEndpoint {
	return &hookv1.WebhookEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: orders},
		Spec:       hookv1.WebhookEndpointSpec{ServiceRef: &hookv1.ServiceRef{Name: "receiver", Port: 8080, Path: "/hooks"}},
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

// eventSource returns a source of the ConfigMaps of its namespace.
func eventSource(namespace, name string) *hookv1.WebhookEventSource {
	return &hookv1.WebhookEventSource{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: hookv1.WebhookEventSourceSpec{
			ServiceAccountName: "default",
			Resources:          []hookv1.WatchedResource{{APIVersion: "v1", Kind: "ConfigMap"}},
		},
	}
}

// eventType returns a description of a type.
func eventType(namespace, name string) *hookv1.WebhookEventType {
	return &hookv1.WebhookEventType{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       hookv1.WebhookEventTypeSpec{Type: "com.example.order.created"},
	}
}

// listOf returns an empty list of the object's kind.
func listOf(object client.Object) client.ObjectList {
	switch object.(type) {
	case *hookv1.WebhookEndpoint:
		return &hookv1.WebhookEndpointList{}
	case *hookv1.WebhookEventSource:
		return &hookv1.WebhookEventSourceList{}
	case *hookv1.WebhookEventType:
		return &hookv1.WebhookEventTypeList{}
	default:
		return &hookv1.WebhookSubscriptionList{}
	}
}
