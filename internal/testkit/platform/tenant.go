// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// account is the ServiceAccount of every tenant.
const account = "app"

// Tenant makes a namespace with an account that may post events and read deliveries there, and returns its
// name and a token of the account for Posthorn.
func (p *Platform) Tenant(ctx context.Context) (namespace, token string, err error) {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "team-"}}
	if err := p.Admin.Create(ctx, ns); err != nil {
		return "", "", fmt.Errorf("create namespace: %w", err)
	}
	objects := []client.Object{
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: account}},
	}
	for _, role := range []string{"posthorn-producer", "posthorn-view"} {
		objects = append(objects, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: role},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: ns.Name, Name: account}},
		})
	}
	for _, o := range objects {
		if err := p.Admin.Create(ctx, o); err != nil {
			return "", "", fmt.Errorf("create tenant: %w", err)
		}
	}
	token, err = p.Plane.Token(ctx, ns.Name, account, "posthorn")
	return ns.Name, token, err
}

// AwaitSubscriptions waits until all subscriptions of a namespace are as they should be.
func (p *Platform) AwaitSubscriptions(
	ctx context.Context, namespace, what string, is func(*hookv1.WebhookSubscription) error,
) error {
	return Await(ctx, what, func(ctx context.Context) error {
		var list hookv1.WebhookSubscriptionList
		if err := p.Admin.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			return fmt.Errorf("list subscriptions: %w", err)
		}
		for i := range list.Items {
			if err := is(&list.Items[i]); err != nil {
				return fmt.Errorf("subscription %s: %w", list.Items[i].Name, err)
			}
		}
		return nil
	})
}

// IsReady returns an error unless the current generation of the subscription is Ready.
func IsReady(s *hookv1.WebhookSubscription) error {
	c := meta.FindStatusCondition(s.Status.Conditions, hookv1.ConditionReady)
	switch {
	case c == nil:
		return fmt.Errorf("it has no condition %s", hookv1.ConditionReady)
	case c.Status != metav1.ConditionTrue || c.ObservedGeneration != s.Generation:
		return fmt.Errorf("%s is %s of generation %d: %s: %s", c.Type, c.Status, c.ObservedGeneration, c.Reason, c.Message)
	}
	return nil
}

// SigningKey is the current key that the operator made for an endpoint.
func (p *Platform) SigningKey(ctx context.Context, namespace, endpoint string) (string, error) {
	var secret corev1.Secret
	key := client.ObjectKey{Namespace: namespace, Name: endpoint + "-signing"}
	if err := p.Admin.Get(ctx, key, &secret); err != nil {
		return "", fmt.Errorf("get signing key of %s: %w", endpoint, err)
	}
	return string(secret.Data[hookv1.SecretKeyCurrent]), nil
}
