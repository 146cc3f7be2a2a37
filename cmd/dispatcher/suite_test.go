// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/testkit/controlplane"
)

// Posthorn's own namespace and the dispatcher's account, as config/ names them.
const (
	ownNamespace = "posthorn-system"
	ownAccount   = "posthorn-dispatcher"
)

var (
	kube   *controlplane.ControlPlane
	admin  client.Client
	binary string
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if kube, err = controlplane.Start(controlplane.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := 1
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	if err := kube.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// prepare builds the binary and installs what config/ has for it.
func prepare() error {
	binary = filepath.Join(kube.Dir(), "dispatcher")
	if err := command("go", "build", "-o", binary, "."); err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, rbacv1.AddToScheme, hookv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	var err error
	if admin, err = client.New(kube.Config(), client.Options{Scheme: scheme}); err != nil {
		return err
	}
	root := filepath.Join("..", "..", "config")
	if err := kube.InstallCRDs(filepath.Join(root, "crd", "bases")); err != nil {
		return err
	}
	args := []string{"--kubeconfig", kube.Kubeconfig(), "apply", "--server-side"}
	for _, file := range []string{
		"default/namespace.yaml", "rbac/service_accounts.yaml", "rbac/dispatcher_role.yaml",
		"rbac/dispatcher_role_bindings.yaml", "rbac/metrics_reader_role.yaml", "rbac/user_roles.yaml",
	} {
		args = append(args, "--filename", filepath.Join(root, filepath.FromSlash(file)))
	}
	return command(kube.Kubectl(), args...)
}

// command runs a program; the error holds what it said.
func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// create makes an object.
func create(t *testing.T, object client.Object) {
	t.Helper()
	if err := admin.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

// tenant makes a namespace with an account app that may do there what the ClusterRoles say, and
// returns its name.
func tenant(t *testing.T, roles ...string) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "team-"}}
	create(t, namespace)
	create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "app"}})
	for _, role := range roles {
		create(t, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: role},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{subject(namespace.Name)},
		})
	}
	return namespace.Name
}

// subject is the account app of a namespace.
func subject(namespace string) rbacv1.Subject {
	return rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "app"}
}

// token is a token of the account app of a namespace.
func token(t *testing.T, namespace string, audiences ...string) string {
	t.Helper()
	token, err := kube.Token(t.Context(), namespace, "app", audiences...)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// subscribe makes an endpoint with a signing key, as the operator resolves it, and a subscription of
// all events to it.
func subscribe(t *testing.T, namespace, url, key string) *hookv1.WebhookSubscription {
	t.Helper()
	endpoint := &hookv1.WebhookEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "receiver"},
		Spec:       hookv1.WebhookEndpointSpec{URL: hookv1.URL(url)},
	}
	create(t, endpoint)
	credentials := compile.Credentials{
		Endpoint: compile.CredentialsOwner{
			Namespace: namespace, Name: endpoint.Name, UID: string(endpoint.UID), Generation: endpoint.Generation,
		},
		SigningKeys: []string{key},
	}
	encoded, err := credentials.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	create(t, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: ownNamespace, Name: compile.CredentialsName(namespace, endpoint.Name),
			Labels: map[string]string{hookv1.LabelUse: hookv1.LabelUseValue},
		},
		Type: hookv1.SecretTypeEndpointCredentials,
		Data: map[string][]byte{compile.CredentialsKey: encoded},
	})
	subscription := &hookv1.WebhookSubscription{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "everything"},
		Spec: hookv1.WebhookSubscriptionSpec{
			EndpointRef: hookv1.EndpointRef{Name: hookv1.ObjectName(endpoint.Name)},
			EventTypes:  []hookv1.EventTypePattern{"*"},
		},
	}
	create(t, subscription)
	return subscription
}

// own returns how the dispatcher reaches the API server: with the rights of its own account.
func own(t *testing.T) *rest.Config {
	t.Helper()
	config, err := kube.ConfigFor(t.Context(), ownNamespace, ownAccount)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// kubeconfig writes a kubeconfig, and returns its path.
func kubeconfig(t *testing.T, config *rest.Config) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := controlplane.WriteKubeconfig(path, config); err != nil {
		t.Fatal(err)
	}
	return path
}
