// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/posthorn-dev/posthorn/internal/access"
	"github.com/posthorn-dev/posthorn/internal/testkit/controlplane"
)

// Names of the dispatcher's own account, which asks the questions with the rights that it really has.
const (
	ownNamespace = "posthorn-system"
	ownAccount   = "posthorn-dispatcher"
)

// kube is the API server of all tests; admin its administrator.
var (
	kube  *controlplane.ControlPlane
	admin *kubernetes.Clientset
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if kube, err = controlplane.Start(controlplane.Options{Audit: true}); err != nil {
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

// prepare makes the dispatcher's account with the rights of rbac.go.
func prepare() error {
	var err error
	if admin, err = kubernetes.NewForConfig(kube.Config()); err != nil {
		return err
	}
	return firstError(
		makeAccount(ownNamespace, ownAccount),
		makeRole(ownAccount,
			rbacv1.PolicyRule{APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"tokenreviews"}, Verbs: []string{"create"}},
			rbacv1.PolicyRule{APIGroups: []string{"authorization.k8s.io"}, Resources: []string{"subjectaccessreviews"}, Verbs: []string{"create"}},
		),
	)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func makeAccount(namespace, name string) error {
	ctx, create := context.Background(), metav1.CreateOptions{}
	if _, err := admin.CoreV1().Namespaces().Create(ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, create); err != nil {
		return err
	}
	_, err := admin.CoreV1().ServiceAccounts(namespace).Create(ctx,
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, create)
	return err
}

// makeRole gives the dispatcher's account rights in the whole cluster.
func makeRole(name string, rules ...rbacv1.PolicyRule) error {
	ctx, create := context.Background(), metav1.CreateOptions{}
	meta := metav1.ObjectMeta{Name: name}
	if _, err := admin.RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: meta, Rules: rules}, create); err != nil {
		return err
	}
	_, err := admin.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: ownNamespace, Name: ownAccount}},
	}, create)
	return err
}

// tenant makes a namespace with an account app in it, and returns the namespace's name.
func tenant(t *testing.T) string {
	t.Helper()
	namespace, err := admin.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "team-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = admin.CoreV1().ServiceAccounts(namespace.Name).Create(t.Context(),
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "app"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return namespace.Name
}

// grant gives a group or an account of the namespace the right to post events there, and waits until
// the API server's authorizer has seen it.
func grant(t *testing.T, namespace string, subject rbacv1.Subject) {
	t.Helper()
	meta := metav1.ObjectMeta{GenerateName: "post-", Namespace: namespace}
	role, err := admin.RbacV1().Roles(namespace).Create(t.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"posthorn.dev"}, Resources: []string{"events"}, Verbs: []string{"create"}},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = admin.RbacV1().RoleBindings(namespace).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects:   []rbacv1.Subject{subject},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) bool {
		review, err := admin.AuthorizationV1().SubjectAccessReviews().Create(ctx, questionAbout(namespace, subject), metav1.CreateOptions{})
		return err == nil && review.Status.Allowed
	})
}

// questionAbout asks whether a subject may post events.
func questionAbout(namespace string, subject rbacv1.Subject) *authorizationv1.SubjectAccessReview {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: "system:serviceaccount:" + namespace + ":" + subject.Name,
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: "create", Group: "posthorn.dev", Resource: "events",
		},
	}}
	if subject.Kind == rbacv1.GroupKind {
		review.Spec.Groups = []string{subject.Name}
	}
	return review
}

// bindCluster gives a subject rights in the whole cluster.
func bindCluster(t *testing.T, subject rbacv1.Subject, rules ...rbacv1.PolicyRule) {
	t.Helper()
	meta := metav1.ObjectMeta{GenerateName: "test-"}
	role, err := admin.RbacV1().ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = admin.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{subject},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// account is the subject of a namespace's account app.
func account(namespace string) rbacv1.Subject {
	return rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "app"}
}

// token returns a token of the namespace's account app.
func token(t *testing.T, namespace string, audiences ...string) string {
	t.Helper()
	token, err := kube.Token(t.Context(), namespace, "app", audiences...)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// agents numbers the clients, so that a test that runs twice does not count what the first run asked.
var agents atomic.Int64

// newAccess returns an Access that asks as the dispatcher, and the name by which asked finds its requests.
func newAccess(t *testing.T, o access.Options) (a *access.Access, agent string) {
	t.Helper()
	config, err := kube.ConfigFor(t.Context(), ownNamespace, ownAccount)
	if err != nil {
		t.Fatal(err)
	}
	agent = fmt.Sprintf("%s-%d", strings.ReplaceAll(t.Name(), "/", "-"), agents.Add(1))
	config.UserAgent = agent
	a, err = access.NewForConfig(config, o)
	if err != nil {
		t.Fatal(err)
	}
	return a, agent
}

// asked returns how many questions about a resource the API server was asked by that agent, as its audit log has it.
func asked(t *testing.T, agent, resource string) int {
	t.Helper()
	file, err := os.Open(kube.AuditLog())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	n := 0
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var entry struct {
			UserAgent string `json:"userAgent"`
			ObjectRef struct {
				Resource string `json:"resource"`
			} `json:"objectRef"`
		}
		if err := json.Unmarshal(lines.Bytes(), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.UserAgent == agent && entry.ObjectRef.Resource == resource {
			n++
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}
