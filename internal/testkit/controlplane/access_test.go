// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/posthorn-dev/posthorn/internal/testkit/controlplane"
)

func TestConfigFor_HasTheAccountsRightsOnly(t *testing.T) {
	namespace := newNamespace(t, "reader")
	admin := clientsFor(t, shared.Config())
	config, err := shared.ConfigFor(t.Context(), namespace, "reader")
	if err != nil {
		t.Fatal(err)
	}
	reader := clientsFor(t, config)

	_, err = reader.CoreV1().ConfigMaps(namespace).List(t.Context(), metav1.ListOptions{})
	if !apierrors.IsForbidden(err) {
		t.Fatalf("list without a role: got %v, want Forbidden", err)
	}

	role := &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: "reader"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"list"}}},
	}
	if _, err := admin.RbacV1().Roles(namespace).Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "reader"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "reader"}},
	}
	if _, err := admin.RbacV1().RoleBindings(namespace).Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "list with a role", func(ctx context.Context) (bool, error) {
		_, err := reader.CoreV1().ConfigMaps(namespace).List(ctx, metav1.ListOptions{})
		return err == nil, nil
	})
	if _, err := reader.CoreV1().Secrets(namespace).List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("list Secrets: got %v, want Forbidden", err)
	}
}

func TestToken_IsForItsAudienceOnly(t *testing.T) {
	namespace := newNamespace(t, "producer")
	clients := clientsFor(t, shared.Config())
	token, err := shared.Token(t.Context(), namespace, "producer", "posthorn")
	if err != nil {
		t.Fatal(err)
	}

	tests := map[string]struct {
		audiences []string
		want      bool
	}{
		"its own audience":           {audiences: []string{"posthorn"}, want: true},
		"another audience":           {audiences: []string{"vault"}, want: false},
		"the API server's audience":  {audiences: nil, want: false},
		"its own among some of them": {audiences: []string{"vault", "posthorn"}, want: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			review := &authenticationv1.TokenReview{
				Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: tc.audiences},
			}
			answer, err := clients.AuthenticationV1().TokenReviews().Create(t.Context(), review, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if answer.Status.Authenticated != tc.want {
				t.Errorf("authenticated: got %t, want %t (%s)", answer.Status.Authenticated, tc.want, answer.Status.Error)
			}
		})
	}
}

func TestWriteKubeconfig_ServesKubectl(t *testing.T) {
	namespace := newNamespace(t, "visitor")
	config, err := shared.ConfigFor(t.Context(), namespace, "visitor")
	if err != nil {
		t.Fatal(err)
	}
	visitor := filepath.Join(t.TempDir(), "kubeconfig")
	if err := controlplane.WriteKubeconfig(visitor, config); err != nil {
		t.Fatal(err)
	}

	tests := map[string]struct{ kubeconfig, want string }{
		"administrator":   {kubeconfig: shared.Kubeconfig(), want: "admin"},
		"service account": {kubeconfig: visitor, want: "system:serviceaccount:" + namespace + ":visitor"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), shared.Kubectl(), "--kubeconfig="+tc.kubeconfig,
				"auth", "whoami", "--output=jsonpath={.status.userInfo.username}").CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if got := string(out); got != tc.want {
				t.Errorf("user: got %q, want %q", got, tc.want)
			}
		})
	}
}
