// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package source_test

import (
	"bytes"
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/source"
)

// grantEverywhere has the ServiceAccount reader read ConfigMaps in the whole cluster.
func (w *world) grantEverywhere() {
	w.Helper()
	name := metav1.ObjectMeta{Name: w.namespace}
	w.create(
		&rbacv1.ClusterRole{ObjectMeta: name, Rules: []rbacv1.PolicyRule{readConfigMaps}},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: name,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: w.namespace},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: "reader", Namespace: w.namespace}},
		},
	)
}

// readConfigMaps is the right to watch them.
var readConfigMaps = rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"list", "watch"}}

// confine has a configuration speak as a dispatcher that has no rights but those of its role and of more rules.
func (w *world) confine(config *rest.Config, more ...rbacv1.PolicyRule) {
	w.Helper()
	text, err := os.ReadFile("../../config/rbac/dispatcher_role.yaml")
	if err != nil {
		w.Fatal(err)
	}
	var own rbacv1.ClusterRole
	if err := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), len(text)).Decode(&own); err != nil {
		w.Fatal(err)
	}
	config.Impersonate.UserName = w.namespace + "-dispatcher"
	name := metav1.ObjectMeta{Name: config.Impersonate.UserName}
	w.create(
		&rbacv1.ClusterRole{ObjectMeta: name, Rules: append(own.Rules, more...)},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: name,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name.Name},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name.Name}},
		},
	)
}

func TestRunner_KnowsTheLabelsOfANamespaceBeforeItIsShown(t *testing.T) {
	w := newWorld(t)
	w.grantEverywhere()
	p := newSilencer(t, w.plane.Config())
	p.only = "/namespaces"
	w.confine(p.config, readConfigMaps)
	w.start(func(o *source.Options) { o.Config = p.config })
	team := hookv1.LabelValue(w.namespace)
	w.source("team", func(s *hookv1.WebhookEventSourceSpec) {
		s.Namespaces = &hookv1.WatchedNamespaces{
			From: hookv1.FromNamespacesSelector, Selector: &hookv1.LabelSelector{MatchLabels: map[string]hookv1.LabelValue{"team": team}},
		}
	})
	w.awaitWatching("team")
	p.silence()
	for _, name := range []string{"", "-other"} {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace + "-new" + name, Labels: map[string]string{"team": w.namespace + name}}}
		w.create(ns)
		shoes := w.configMap("shoes"+name, nil)
		shoes.Namespace = ns.Name
		w.create(shoes)
	}
	last := w.configMap("last", nil)
	last.Namespace = w.namespace + "-new"
	w.create(last)
	w.awaitTold("team shoes configmap.created", "team last configmap.created")
}
