// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package manifests_test applies config/default to a real API server, as a platform's administrator does.
package manifests_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"github.com/posthorn-dev/posthorn/internal/testkit/controlplane"
	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
)

const (
	operator   = "system:serviceaccount:posthorn-system:posthorn-operator"
	dispatcher = "system:serviceaccount:posthorn-system:posthorn-dispatcher"
)

var (
	// posthorn are the control plane and the binaries.
	posthorn *platform.Platform
	plane    *controlplane.ControlPlane
	// applied is what the first apply printed, warnings included.
	applied string
)

func TestMain(m *testing.M) {
	os.Exit(runAll(m))
}

func runAll(m *testing.M) int {
	var err error
	if posthorn, err = platform.Start(controlplane.Options{ControllerManager: true, Audit: true}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer posthorn.Stop() //nolint:errcheck // what the tests found is the result
	plane = posthorn.Plane
	if applied, err = kubectl("apply", "--server-side", "--kustomize="+defaults()); err != nil {
		fmt.Fprintf(os.Stderr, "apply config/default: %v\n%s", err, applied)
		return 1
	}
	return m.Run()
}

func TestDefault_KeepsToRestrictedPodSecurity(t *testing.T) {
	t.Parallel()
	// The namespace's labels make the API server warn of each pod template that it would refuse.
	if strings.Contains(applied, "Warning") {
		t.Errorf("the API server warned:\n%s", applied)
	}
}

func TestDefault_SecondApplyChangesNothing(t *testing.T) {
	t.Parallel()
	if out, err := kubectl("diff", "--server-side", "--kustomize="+defaults()); err != nil {
		t.Errorf("diff after apply: %v\n%s", err, out)
	}
}

func TestDefault_GivesEachProcessItsRightsAndNoOthers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		user      string
		verb      string
		resource  string
		namespace string
		want      string
	}{
		"the operator reads Secrets anywhere": {
			user: operator, verb: "get", resource: "secrets", namespace: "default", want: "yes",
		},
		"the operator may set owner references where that takes the right to delete": {
			user: operator, verb: "delete", resource: "secrets", namespace: "default", want: "yes",
		},
		"the operator deletes no Secrets by the lot": {
			user: operator, verb: "deletecollection", resource: "secrets", namespace: "default", want: "no",
		},
		"the operator writes no spec": {
			user: operator, verb: "update", resource: "webhookendpoints.posthorn.dev", namespace: "default", want: "no",
		},
		"the dispatcher reads the Secrets of its own namespace": {
			user: dispatcher, verb: "list", resource: "secrets", namespace: "posthorn-system", want: "yes",
		},
		"the dispatcher reads no Secret of a tenant": {
			user: dispatcher, verb: "get", resource: "secrets", namespace: "default", want: "no",
		},
		"the dispatcher lists no Secrets of a tenant": {
			user: dispatcher, verb: "list", resource: "secrets", namespace: "default", want: "no",
		},
		"the dispatcher writes no Secret": {
			user: dispatcher, verb: "create", resource: "secrets", namespace: "posthorn-system", want: "no",
		},
		"the dispatcher keeps its Lease": {
			user: dispatcher, verb: "patch", resource: "leases.coordination.k8s.io/posthorn-dispatcher", namespace: "posthorn-system", want: "yes",
		},
		"the dispatcher touches no other Lease, such as the operator's": {
			user: dispatcher, verb: "patch", resource: "leases.coordination.k8s.io/posthorn-operator", namespace: "posthorn-system", want: "no",
		},
		"the dispatcher reviews tokens": {
			user: dispatcher, verb: "create", resource: "tokenreviews.authentication.k8s.io", namespace: "default", want: "yes",
		},
		"the dispatcher lists where the API server is": {
			user: dispatcher, verb: "list", resource: "endpointslices.discovery.k8s.io", namespace: "default", want: "yes",
		},
		"the dispatcher does not list where others are": {
			user: dispatcher, verb: "list", resource: "endpointslices.discovery.k8s.io", namespace: "kube-system", want: "no",
		},
		"the dispatcher writes no EndpointSlice": {
			user: dispatcher, verb: "patch", resource: "endpointslices.discovery.k8s.io", namespace: "default", want: "no",
		},
		"the dispatcher lists the ranges of Services": {
			user: dispatcher, verb: "list", resource: "servicecidrs.networking.k8s.io", want: "yes",
		},
		"the dispatcher reads no ServiceAccounts by the lot": {
			user: dispatcher, verb: "list", resource: "serviceaccounts", namespace: "default", want: "no",
		},
		"the dispatcher notices that roles change": {
			user: dispatcher, verb: "watch", resource: "clusterroles.rbac.authorization.k8s.io", want: "yes",
		},
		"the dispatcher writes no role": {
			user: dispatcher, verb: "patch", resource: "clusterroles.rbac.authorization.k8s.io", want: "no",
		},
		"the dispatcher makes no token": {
			user: dispatcher, verb: "create", resource: "serviceaccounts/token", namespace: "default", want: "no",
		},
		"the dispatcher posts no events for itself": {
			user: dispatcher, verb: "create", resource: "events.posthorn.dev", namespace: "default", want: "no",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Exit status 1 says no; what it printed says it too. Warnings go to another stream.
			out, _ := exec.CommandContext(t.Context(), plane.Kubectl(), "--kubeconfig="+plane.Kubeconfig(),
				"auth", "can-i", tc.verb, tc.resource, "--as="+tc.user, "--namespace="+tc.namespace).Output()
			if got := strings.TrimSpace(string(out)); got != tc.want {
				t.Errorf("%s %s: got %q, want %q", tc.verb, tc.resource, got, tc.want)
			}
		})
	}
}

func TestDefault_ExtendsTheRolesOfUsers(t *testing.T) {
	t.Parallel()
	for role, want := range map[string]string{"view": "webhookdeliveries", "edit": "webhookendpoints"} {
		var rules string
		err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, 30*time.Second, true,
			func(context.Context) (bool, error) {
				var err error
				rules, err = kubectl("get", "clusterrole", role, "--output=jsonpath={.rules[*].resources}")
				return strings.Contains(rules, want), err
			})
		if err != nil {
			t.Errorf("ClusterRole %s lacks %s (%v): %s", role, want, err, rules)
		}
	}
}

// TestDefault_PutsTogetherWhatSourcesAreReadBy has the controller of aggregated roles fill the dispatcher's, and a role
// of the platform's own add to it.
func TestDefault_PutsTogetherWhatSourcesAreReadBy(t *testing.T) {
	t.Parallel()
	more := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{
			Name: "certificates-for-sources", Labels: map[string]string{"rbac.posthorn.dev/aggregate-to-source-reader": "true"},
		},
		Rules: []rbacv1.PolicyRule{{APIGroups: []string{"cert-manager.io"}, Resources: []string{"certificates"}, Verbs: []string{"list", "watch"}}},
	}
	if err := posthorn.Admin.Create(t.Context(), more); err != nil {
		t.Fatal(err)
	}
	clients, err := kubernetes.NewForConfig(plane.Config())
	if err != nil {
		t.Fatal(err)
	}
	u := user{clients: clients, name: dispatcher}
	want := map[string]bool{
		"deployments.apps": true, "events.events.k8s.io": true, "configmaps": true, "certificates.cert-manager.io": true,
		"secrets": false, "roles.rbac.authorization.k8s.io": false,
	}
	err = platform.Await(within(t), "the role is put together", func(ctx context.Context) error {
		for resource, wanted := range want {
			if got, err := u.may(ctx, "list", resource, "default"); err != nil || got != wanted {
				return fmt.Errorf("list %s: allowed %t (%w), want %t", resource, got, err, wanted)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func defaults() string { return filepath.Join("..", "..", "config", "default") }

func kubectl(args ...string) (string, error) {
	out, err := exec.Command(plane.Kubectl(), append([]string{"--kubeconfig=" + plane.Kubeconfig()}, args...)...).CombinedOutput()
	return string(out), err
}
