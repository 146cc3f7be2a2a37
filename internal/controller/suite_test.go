// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/telemetry"
	"github.com/posthorn-dev/posthorn/internal/testkit/controlplane"
	"github.com/posthorn-dev/posthorn/internal/testkit/revisions"
)

const (
	// ownNamespace is Posthorn's own, as the generated Role has it.
	ownNamespace = "posthorn-system"
	// operatorAccount is the ServiceAccount that the manager under test runs as.
	operatorAccount = "posthorn-operator"

	eventually = 20 * time.Second
	poll       = 20 * time.Millisecond
)

var (
	plane *controlplane.ControlPlane
	// admin may do everything; it reads from the API server.
	admin  client.Client
	scheme *runtime.Scheme
	// clock is the operator's.
	clock testClock
	// faults makes calls of the operator to the API server fail.
	faults faultInjector
	// recorded holds every revision of every object against kstatus.
	recorded *revisions.Recorder
	// operatorLog is all that the operator has logged.
	operatorLog = gbytes.NewBuffer()
	// operator is the manager under test.
	operator *testOperator
)

func TestControllers(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(eventually)
	SetDefaultEventuallyPollingInterval(poll)
	SetDefaultConsistentlyDuration(500 * time.Millisecond)
	SetDefaultConsistentlyPollingInterval(poll)
	RunSpecs(t, "Controllers")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	telemetry.Install(telemetry.NewLogger(io.MultiWriter(GinkgoWriter, operatorLog), telemetry.LogOptions{Format: telemetry.FormatText}))
	var err error
	plane, err = controlplane.Start(controlplane.Options{
		ControllerManager: true, Audit: true, CRDs: "../../config/crd/bases",
		// As some distributions have it: who sets an owner reference needs rights for that.
		APIServerFlags: []string{"--enable-admission-plugins=OwnerReferencesPermissionEnforcement"},
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(plane.Stop()).To(Succeed()) })

	scheme = runtime.NewScheme()
	Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	Expect(hookv1.AddToScheme(scheme)).To(Succeed())
	admin, err = client.New(plane.Config(), client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())

	createOperatorAccount(ctx)
	recorded = startRevisions()
	startLease(ctx)
	operator = startOperator(ctx)
	DeferCleanup(func() { operator.stop() })
})

// createOperatorAccount gives the operator the rights of config/rbac/role.yaml, and no others.
func createOperatorAccount(ctx context.Context) {
	GinkgoHelper()
	Expect(admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ownNamespace}})).To(Succeed())
	account := metav1.ObjectMeta{Namespace: ownNamespace, Name: operatorAccount}
	Expect(admin.Create(ctx, &corev1.ServiceAccount{ObjectMeta: account})).To(Succeed())
	clusterRole, role := readRoles()
	Expect(admin.Create(ctx, clusterRole)).To(Succeed())
	Expect(admin.Create(ctx, role)).To(Succeed())
	subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: ownNamespace, Name: operatorAccount}}
	Expect(admin.Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: clusterRole.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterRole.Name},
		Subjects:   subjects,
	})).To(Succeed())
	Expect(admin.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: ownNamespace, Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects:   subjects,
	})).To(Succeed())
}

// readRoles reads the generated roles.
func readRoles() (*rbacv1.ClusterRole, *rbacv1.Role) {
	GinkgoHelper()
	raw, err := os.ReadFile("../../config/rbac/role.yaml")
	Expect(err).NotTo(HaveOccurred())
	clusterRole, role := &rbacv1.ClusterRole{}, &rbacv1.Role{}
	documents := splitYAML(raw)
	Expect(documents).To(HaveLen(2))
	Expect(yaml.UnmarshalStrict(documents[0], clusterRole)).To(Succeed())
	Expect(yaml.UnmarshalStrict(documents[1], role)).To(Succeed())
	Expect(role.Namespace).To(Equal(ownNamespace))
	return clusterRole, role
}

// testOperator is a running manager.
type testOperator struct {
	base *Base
	stop func()
}

// startOperator runs the manager with the rights of the operator's ServiceAccount.
func startOperator(ctx context.Context) *testOperator {
	GinkgoHelper()
	restConfig, err := plane.ConfigFor(ctx, ownNamespace, operatorAccount)
	Expect(err).NotTo(HaveOccurred())
	skipNames := true
	mgr, err := ctrl.NewManager(restConfig, ctrl.Options{
		Scheme:                  scheme,
		Cache:                   Scope(ownNamespace, nil),
		NewClient:               faults.newClient,
		Metrics:                 metricsserver.Options{BindAddress: "0"},
		LeaderElection:          true,
		LeaderElectionID:        "posthorn-operator",
		LeaderElectionNamespace: ownNamespace,
		// The next manager of the suite takes over at once.
		LeaderElectionReleaseOnCancel: true,
		// Suites start several managers, whose controllers have the same names.
		Controller: config.Controller{SkipNameValidation: &skipNames},
	})
	Expect(err).NotTo(HaveOccurred())
	base, err := setup(context.Background(), mgr, Options{Namespace: ownNamespace, Defaults: compile.BuiltinDefaults(), Now: clock.now})
	Expect(err).NotTo(HaveOccurred())
	base.Dispatcher.poll = leaseInterval
	base.Schemas.poll = leaseInterval

	runCtx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(runCtx) }()
	Eventually(mgr.Elected()).Should(BeClosed())
	return &testOperator{base: base, stop: func() {
		GinkgoHelper()
		cancel()
		Eventually(done).Should(Receive(Or(BeNil(), Not(HaveOccurred()))))
	}}
}

// testClock is the time, moved by an offset.
type testClock struct{ offset atomic.Int64 }

func (c *testClock) now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

// advance moves the clock until the end of the spec.
func (c *testClock) advance(d time.Duration) {
	c.offset.Add(int64(d))
	DeferCleanup(func() { c.offset.Add(int64(-d)) })
}
