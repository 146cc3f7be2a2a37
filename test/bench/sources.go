// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
)

// sourceReader is the ServiceAccount whose rights the sources have.
const sourceReader = "reader"

// watched are the kinds that are watched, with their resources.
var watched = []struct{ apiVersion, kind, group, resource string }{
	{"v1", "ConfigMap", "", "configmaps"},
	{"v1", "Pod", "", "pods"},
	{"apps/v1", "Deployment", "apps", "deployments"},
}

// newWatching makes a tenant whose sources may read what is watched, and grants that to the dispatcher: no controller
// puts its aggregated role together.
func newWatching(ctx context.Context, p *platform.Platform) (*tenant, error) {
	role := "posthorn-source-reader-workloads"
	err := p.Admin.Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: platform.Namespace, Name: "posthorn-dispatcher"}},
	})
	if client.IgnoreAlreadyExists(err) != nil {
		return nil, fmt.Errorf("grant the dispatcher what it watches: %w", err)
	}
	t, err := newTenant(ctx, p)
	if err != nil {
		return nil, err
	}
	return t, t.reader(ctx)
}

// reader makes the account whose rights sources have.
func (t *tenant) reader(ctx context.Context) error {
	common := metav1.ObjectMeta{
		Namespace: t.namespace, Name: sourceReader, Labels: map[string]string{hookv1.LabelUse: hookv1.LabelUseValue},
	}
	var rules []rbacv1.PolicyRule
	for _, w := range watched {
		rules = append(rules, rbacv1.PolicyRule{
			APIGroups: []string{w.group}, Resources: []string{w.resource}, Verbs: []string{"list", "watch"},
		})
	}
	for _, o := range []client.Object{
		&corev1.ServiceAccount{ObjectMeta: common},
		&rbacv1.Role{ObjectMeta: common, Rules: rules},
		&rbacv1.RoleBinding{
			ObjectMeta: common,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: sourceReader},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: t.namespace, Name: sourceReader}},
		},
	} {
		if err := t.platform.Admin.Create(ctx, o); err != nil {
			return fmt.Errorf("create reader: %w", err)
		}
	}
	return nil
}

// source makes a source of one of the kinds that are watched.
func (t *tenant) source(ctx context.Context, kind int, operations ...hookv1.Operation) error {
	w := watched[kind]
	s := &hookv1.WebhookEventSource{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: strings.ToLower(w.kind)},
		Spec: hookv1.WebhookEventSourceSpec{
			ServiceAccountName: sourceReader,
			Resources:          []hookv1.WatchedResource{{APIVersion: w.apiVersion, Kind: w.kind}},
			Operations:         operations,
		},
	}
	if err := t.platform.Admin.Create(ctx, s); err != nil {
		return fmt.Errorf("create source: %w", err)
	}
	return nil
}

// awaitSources waits until all sources of a namespace, or of all namespaces, are as they should be.
func awaitSources(ctx context.Context, p *platform.Platform, namespace, what string, is func(*hookv1.WebhookEventSource) error) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	return platform.Await(ctx, what, func(ctx context.Context) error {
		var list hookv1.WebhookEventSourceList
		if err := p.Admin.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			return fmt.Errorf("list sources: %w", err)
		}
		for i := range list.Items {
			if err := is(&list.Items[i]); err != nil {
				return fmt.Errorf("source %s: %w", list.Items[i].Name, err)
			}
		}
		return nil
	})
}

// isWatching returns an error unless the source watches.
func isWatching(s *hookv1.WebhookEventSource) error {
	c := meta.FindStatusCondition(s.Status.Conditions, hookv1.ConditionWatching)
	if c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != s.Generation {
		return fmt.Errorf("it does not watch: %+v", c)
	}
	return nil
}

// readyWatching starts a dispatcher, and waits until the tenant's sources watch.
func (s *session) readyWatching(ctx context.Context, t *tenant) (*platform.Dispatcher, error) {
	d, err := s.ready(ctx, t, "")
	if err != nil {
		return nil, err
	}
	if err := awaitSources(ctx, t.platform, t.namespace, "the sources watch", isWatching); err != nil {
		discard(d)
		return nil, err
	}
	return d, nil
}

// newConfigMap is a ConfigMap of some 1 KB.
func newConfigMap(namespace, name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app.kubernetes.io/name": "orders"}},
		Data:       map[string]string{"config.yaml": strings.Repeat("setting: value\n", 50)},
	}
}
