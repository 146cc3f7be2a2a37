// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package manifests_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
)

// What the page about security says that the roles give in a namespace: verbs by resource.
var (
	reader = rights{
		"webhookendpoints.posthorn.dev": "get list watch", "webhooksubscriptions.posthorn.dev": "get list watch",
		"webhookeventsources.posthorn.dev":   "get list watch",
		"webhookeventtypes.posthorn.dev":     "get list watch",
		"webhookdeliveries.log.posthorn.dev": "get",
	}
	writer = rights{
		"webhookendpoints.posthorn.dev":      "get list watch create update patch delete deletecollection",
		"webhooksubscriptions.posthorn.dev":  "get list watch create update patch delete deletecollection",
		"webhookeventsources.posthorn.dev":   "get list watch create update patch delete deletecollection",
		"webhookeventtypes.posthorn.dev":     "get list watch create update patch delete deletecollection",
		"webhookdeliveries.log.posthorn.dev": "get",
	}
	administrator = rights{
		"webhookendpoints.posthorn.dev":            "get list watch create update patch delete deletecollection",
		"webhooksubscriptions.posthorn.dev":        "get list watch create update patch delete deletecollection",
		"webhookeventsources.posthorn.dev":         "get list watch create update patch delete deletecollection",
		"webhookeventtypes.posthorn.dev":           "get list watch create update patch delete deletecollection",
		"webhookdeliveries.log.posthorn.dev":       "get",
		"webhookdeliveries/event.log.posthorn.dev": "get",
	}

	userRoles = map[string]rights{
		"posthorn-view": reader, "posthorn-edit": writer, "posthorn-admin": administrator,
		// Kubernetes' own, which get these by aggregation.
		"view": reader, "edit": writer, "admin": administrator,
		"posthorn-producer": {"events.posthorn.dev": "create"},
		"posthorn-event-reader": {
			"webhookdeliveries.log.posthorn.dev": "get", "webhookdeliveries/event.log.posthorn.dev": "get",
		},
	}
)

// allVerbs are those that a rule may name; allResources what is Posthorn's, and what a role of it must not open. The
// roles of Kubernetes open Secrets by themselves.
var (
	allVerbs     = strings.Fields("get list watch create update patch delete deletecollection")
	allResources = []string{
		"webhookendpoints.posthorn.dev", "webhookendpoints/status.posthorn.dev",
		"webhooksubscriptions.posthorn.dev", "webhooksubscriptions/status.posthorn.dev",
		"webhookeventsources.posthorn.dev", "webhookeventsources/status.posthorn.dev",
		"webhookeventtypes.posthorn.dev", "webhookeventtypes/status.posthorn.dev",
		"events.posthorn.dev", "webhookdeliveries.log.posthorn.dev", "webhookdeliveries/event.log.posthorn.dev",
		"secrets", "serviceaccounts/token", "rolebindings.rbac.authorization.k8s.io",
	}
	ownResources = allResources[:9]
)

func TestUserRoles_GiveWhatTheyPromiseThereAndNothingElsewhere(t *testing.T) {
	t.Parallel()
	clients, err := kubernetes.NewForConfig(plane.Config())
	if err != nil {
		t.Fatal(err)
	}
	namespace, _, err := posthorn.Tenant(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, _, err := posthorn.Tenant(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for role, want := range userRoles {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			resources := ownResources
			if strings.HasPrefix(role, "posthorn-") {
				resources = allResources
			}
			u := user{clients: clients, name: "holder-of-" + role}
			bind(t, namespace, role, u.name)
			// The roles of Kubernetes are put together, and bindings are seen, a moment later.
			err := platform.Await(within(t), "the role gives its rights", func(ctx context.Context) error {
				return u.compare(ctx, namespace, resources, want)
			})
			if err != nil {
				t.Error(err)
			}
			if err := u.compare(t.Context(), elsewhere, resources, nil); err != nil {
				t.Errorf("in another namespace: %v", err)
			}
		})
	}
}

// rights are verbs by resource, each with its group behind a dot.
type rights map[string]string

// user is somebody who has what was bound to the name.
type user struct {
	clients kubernetes.Interface
	name    string
}

// compare asks the API server for every verb on each of the resources, and returns what it answers otherwise than
// wanted.
func (u user) compare(ctx context.Context, namespace string, resources []string, want rights) error {
	var wrong []error
	for _, resource := range resources {
		for _, verb := range allVerbs {
			got, err := u.may(ctx, verb, resource, namespace)
			if err != nil {
				return err
			}
			if wanted := slices.Contains(strings.Fields(want[resource]), verb); got != wanted {
				wrong = append(wrong, fmt.Errorf("%s %s: allowed %t, want %t", verb, resource, got, wanted))
			}
		}
	}
	return errors.Join(wrong...)
}

func (u user) may(ctx context.Context, verb, resource, namespace string) (bool, error) {
	resource, group, _ := strings.Cut(resource, ".")
	resource, subresource, _ := strings.Cut(resource, "/")
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: u.name, Groups: []string{"system:authenticated"},
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: verb, Group: group, Resource: resource, Subresource: subresource,
		},
	}}
	answer, err := u.clients.AuthorizationV1().SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("ask whether %s may %s %s: %w", u.name, verb, resource, err)
	}
	return answer.Status.Allowed, nil
}

// bind gives a user a ClusterRole in a namespace.
func bind(t *testing.T, namespace, role, name string) {
	t.Helper()
	err := posthorn.Admin.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
	})
	if err != nil {
		t.Fatal(err)
	}
}
