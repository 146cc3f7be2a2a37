// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientfeatures "k8s.io/client-go/features"
	clientfeaturestesting "k8s.io/client-go/features/testing"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/testkit/controlplane"
)

var _ = Describe("A user who may write endpoints but not Secrets", func() {
	const treasure = "hunter2-treasure"
	var (
		namespace string
		user      client.Client
	)
	BeforeEach(func(ctx SpecContext) {
		namespace = newNamespace(ctx, nil)
		user = newAuthor(ctx, namespace)
	})
	// readable is all that the user may read, as text.
	readable := func(ctx context.Context) string {
		GinkgoHelper()
		out := ""
		for _, list := range []client.ObjectList{&hookv1.WebhookEndpointList{}, &hookv1.WebhookSubscriptionList{}, &corev1.EventList{}} {
			Expect(user.List(ctx, list, client.InNamespace(namespace))).To(Succeed())
			raw, err := json.Marshal(list)
			Expect(err).NotTo(HaveOccurred())
			out += string(raw)
		}
		return out
	}

	It("gets no Secret out, by whatever field", func(ctx SpecContext) {
		data := map[string]string{}
		for _, key := range []string{"value", "username", "password", "tls.crt", "tls.key"} {
			data[key] = treasure + "-" + key
		}
		secret := newSecret(namespace, "theirs", data)
		secret.Labels = nil
		create(ctx, secret)
		Expect(apierrors.IsForbidden(user.Get(ctx, client.ObjectKeyFromObject(secret), &corev1.Secret{}))).To(BeTrue())

		for name, field := range secretFields {
			obj := newEndpoint(namespace, strings.ToLower(strings.ReplaceAll(name, " ", "-")), field.edit)
			Expect(user.Create(ctx, obj)).To(Succeed())
			expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonSecretNotAllowed)
			Expect(credentialsOf(ctx, obj)).To(BeNil(), "nothing is sent anywhere")
			Expect(user.Patch(ctx, obj, client.RawPatch("application/merge-patch+json",
				[]byte(`{"metadata":{"labels":{"posthorn.dev/use":"true"}}}`)))).To(Succeed())
			Consistently(func() *compile.Credentials { return credentialsOf(ctx, obj) }).WithTimeout(5*poll).Should(BeNil(),
				"the label counts on the Secret alone")
		}
		Expect(readable(ctx)).NotTo(ContainSubstring(treasure))
		Expect(string(operatorLog.Contents())).NotTo(ContainSubstring(treasure))
	})

	It("gets no key of another endpoint, nor what is kept for the dispatcher", func(ctx SpecContext) {
		victim := readyEndpoint(ctx, newEndpoint(namespace, "victim"))
		key := signingData(ctx, victim)()[hookv1.SecretKeyCurrent]
		obj := newEndpoint(namespace, "thief", secretFields["headers"].edit, func(e *hookv1.WebhookEndpoint) {
			retarget(e, "victim-signing", hookv1.SecretKeyCurrent)
		})
		Expect(user.Create(ctx, obj)).To(Succeed())
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonSecretNotAllowed)
		Expect(readable(ctx)).NotTo(ContainSubstring(key))

		inside := newEndpoint(ownNamespace, "thief", secretFields["headers"].edit, func(e *hookv1.WebhookEndpoint) {
			retarget(e, compile.CredentialsName(namespace, "victim"), compile.CredentialsKey)
		})
		create(ctx, inside)
		DeferCleanup(func(ctx SpecContext) { Expect(admin.Delete(ctx, inside)).To(Succeed()) })
		expectReady(ctx, inside, metav1.ConditionFalse, hookv1.ReasonSecretNotAllowed)
		Expect(credentialsOf(ctx, inside)).To(BeNil())
	})
})

var _ = Describe("The operator's rights", func() {
	It("let it ask who may read its metrics", func(ctx SpecContext) {
		restConfig, err := plane.ConfigFor(ctx, ownNamespace, operatorAccount)
		Expect(err).NotTo(HaveOccurred())
		httpClient, err := rest.HTTPClientFor(restConfig)
		Expect(err).NotTo(HaveOccurred())
		filter, err := filters.WithAuthenticationAndAuthorization(restConfig, httpClient)
		Expect(err).NotTo(HaveOccurred())
		handler, err := filter(logr.Discard(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
		Expect(err).NotTo(HaveOccurred())
		get := func(token string) int {
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/metrics", nil)
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			return w.Code
		}
		token, err := plane.Token(ctx, ownNamespace, operatorAccount)
		Expect(err).NotTo(HaveOccurred())
		Expect(get("")).To(Equal(http.StatusUnauthorized))
		Expect(get(token)).To(Equal(http.StatusForbidden), "not even the operator's own")
	})
})

var _ = Describe("An API server that cannot stream lists", func() {
	It("is listed and watched as in the old days", func(ctx SpecContext) {
		clientfeaturestesting.SetFeatureDuringTest(GinkgoTB(), clientfeatures.WatchListClient, false)
		operator.stop()
		operator = startOperator(context.Background())
		readyEndpoint(ctx, newEndpoint(newNamespace(ctx, nil), "billing"))
	})
})

// newAuthor returns a client of a ServiceAccount that may write Posthorn's kinds and read Events.
func newAuthor(ctx context.Context, namespace string) client.Client {
	GinkgoHelper()
	meta := metav1.ObjectMeta{Namespace: namespace, Name: "author"}
	create(ctx, &corev1.ServiceAccount{ObjectMeta: meta})
	create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{hookv1.GroupName}, Resources: []string{"webhookendpoints", "webhooksubscriptions", "webhookeventtypes"}, Verbs: []string{"*"}},
		{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"list"}},
	}})
	create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "author"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: namespace, Name: "author"}},
	})
	restConfig, err := plane.ConfigFor(ctx, namespace, "author")
	Expect(err).NotTo(HaveOccurred())
	user, err := client.New(restConfig, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	return user
}

// operatorRequests reads what the operator asked of the API server so far.
func operatorRequests() []controlplane.Request {
	GinkgoHelper()
	requests, err := plane.Requests("system:serviceaccount:" + ownNamespace + ":" + operatorAccount)
	Expect(err).NotTo(HaveOccurred())
	return requests
}

// The roles are held against what the operator did in all specs before: it was refused nothing, and
// every verb was used. A run of a part of the specs tells only the first.
var _ = AfterSuite(func() {
	if plane == nil {
		return
	}
	clusterRole, role := readRoles()
	unused, missing := controlplane.CompareRights(slices.Concat(clusterRole.Rules, role.Rules), operatorRequests())
	Expect(missing).To(BeEmpty(), "the roles lack something")
	if suite, _ := GinkgoConfiguration(); len(suite.FocusStrings) > 0 || len(suite.SkipStrings) > 0 {
		return
	}
	Expect(unused).To(BeEmpty(), "the roles have more than is needed")
})
