// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"fmt"
	"net/http"
	"path"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/source"
)

// reviews counts the questions about rights that pass to the API server, by their resource.
type reviews struct {
	mu    sync.Mutex
	asked map[string]int
}

// counted has a Runner's questions counted.
func (r *reviews) counted(o *source.Options) {
	o.Config = rest.CopyConfig(o.Config)
	o.Config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(q *http.Request) (*http.Response, error) {
			if q.Method == http.MethodPost {
				r.mu.Lock()
				r.asked[path.Base(q.URL.Path)]++
				r.mu.Unlock()
			}
			return next.RoundTrip(q)
		})
	})
}

// of returns how many there were of a resource, and forgets them.
func (r *reviews) of(resource string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.asked[resource]
	delete(r.asked, resource)
	return n
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(q *http.Request) (*http.Response, error) { return f(q) }

func TestRunner_AsksOnceForTheRightsOfManySources(t *testing.T) {
	const sources = 20
	w := newWorld(t)
	for i := range sources {
		w.source(fmt.Sprintf("source-%02d", i), func(s *hookv1.WebhookEventSourceSpec) {
			s.Resources[0].Selector = nil
		})
	}
	r := &reviews{asked: map[string]int{}}
	w.start(r.counted)
	for name := range w.sources {
		w.awaitWatching(name)
	}
	// One question for each of list and watch: all sources have the same ServiceAccount.
	if own, accounts := r.of("selfsubjectaccessreviews"), r.of("subjectaccessreviews"); own != 2 || accounts != 2 {
		t.Errorf("the dispatcher asked %d times for its own rights and %d times for those of the ServiceAccount, want 2 and 2", own, accounts)
	}
}

func TestRunner_AsksAgainWhenARoleChanges(t *testing.T) {
	w := newWorld(t)
	w.source("all", nil)
	r := &reviews{asked: map[string]int{}}
	w.start(r.counted)
	w.awaitWatching("all")
	r.of("subjectaccessreviews")
	roles, asked := 0, 0
	w.eventually("rights are asked for again", func() error {
		w.create(&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: fmt.Sprintf("another-%03d", roles)}})
		roles++
		if asked += r.of("subjectaccessreviews"); asked == 0 {
			return fmt.Errorf("%d roles were made", roles)
		}
		return nil
	})
	if asked > max(2, roles) {
		t.Errorf("%d roles made %d questions: changes of a short while are to be one", roles, asked)
	}
}

func TestRunner_NamesTheRightThatTheDispatcherLacksWhereItWatches(t *testing.T) {
	w := newWorld(t)
	config := rest.CopyConfig(w.plane.Config())
	w.confine(config)
	// It may read where the source is, and it watches the whole cluster.
	w.create(&rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "dispatcher"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "reader"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: config.Impersonate.UserName}},
	})
	w.start(func(o *source.Options) { o.Config = config })
	w.source("all", nil)
	w.awaitPermissions("all", hookv1.ReasonDispatcherPermissionMissing, "may not list and watch configmaps in the whole cluster")
	name := "dispatcher-" + w.namespace
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"list", "watch"}}},
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: config.Impersonate.UserName}},
	}
	w.create(role, binding)
	w.awaitWatching("all") // without a restart
	w.delete(binding)
	w.delete(role)
}

func TestRunner_KnowsTheGroupsOfAServiceAccount(t *testing.T) {
	w := newWorld(t)
	meta := metav1.ObjectMeta{Namespace: w.namespace, Name: "grouped", Labels: map[string]string{hookv1.LabelUse: hookv1.LabelUseValue}}
	w.create(
		&corev1.ServiceAccount{ObjectMeta: meta},
		&rbacv1.RoleBinding{
			ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "reader"},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "system:serviceaccounts:" + w.namespace}},
		},
	)
	w.start()
	w.source("all", func(s *hookv1.WebhookEventSourceSpec) { s.ServiceAccountName = "grouped" })
	w.awaitWatching("all")
	w.create(w.configMap("shoes", nil))
	w.awaitTold("all shoes configmap.created")
}
