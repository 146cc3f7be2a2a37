// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/operator"
	"github.com/posthorn-dev/posthorn/internal/telemetry"
	"github.com/posthorn-dev/posthorn/internal/testkit/controlplane"
	"github.com/posthorn-dev/posthorn/internal/testkit/ports"
)

const namespace = "posthorn-system"

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

func TestOptions_FlagsHaveDefaultsAndTheNamespaceOfThePod(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "from-the-pod")
	var o operator.Options
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	o.BindFlags(fs)
	if err := fs.Parse([]string{"--health-address=0"}); err != nil {
		t.Fatal(err)
	}
	want := operator.Options{
		Namespace: "from-the-pod", LeaderElection: true, HealthAddress: "0", MetricsAddress: ":8082", GracePeriod: 20 * time.Second,
	}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Error(diff)
	}
}

func TestRun_RefusesToStartWithout(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(bad, []byte("nonsense: true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		options operator.Options
		want    string
	}{
		"a namespace":                 {want: "POD_NAMESPACE"},
		"a configuration it can read": {options: operator.Options{Namespace: "x", Config: bad}, want: "nonsense"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := operator.Run(t.Context(), tc.options)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error that names %s", err, tc.want)
			}
		})
	}
}

// TestRun_TwoReplicas runs the operator as it is deployed: with its own rights, twice.
func TestRun_TwoReplicas(t *testing.T) {
	plane, err := controlplane.Start(controlplane.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := plane.InstallCRDs("../../config/crd/bases"); err != nil {
		t.Fatal(err)
	}
	admin := newAdmin(t, plane)
	createAccounts(t, admin)

	first := start(t, plane)
	first.awaitReady(t)
	holder := awaitLeader(t, admin, "")
	second := start(t, plane)
	second.awaitReady(t)

	t.Run("metrics are for those who may get them", func(t *testing.T) { checkMetrics(t, plane, first) })
	t.Run("the leader reconciles", func(t *testing.T) { checkReconciles(t, admin, "one") })
	t.Run("the other one takes over from a leader that stops", func(t *testing.T) {
		first.stopGracefully(t)
		awaitLeader(t, admin, holder)
		checkReconciles(t, admin, "two")
	})
	second.stopGracefully(t)
}

// replica is one operator, a process of its own: two managers in one process would share their metrics
// and the names of their controllers.
type replica struct {
	health, metrics string
	command         *exec.Cmd
	log             bytes.Buffer
}

// runAsOperator is the variable that makes the test binary an operator.
const runAsOperator = "POSTHORN_TEST_OPERATOR"

func TestMain(m *testing.M) {
	if os.Getenv(runAsOperator) == "" {
		os.Exit(m.Run())
	}
	var options operator.Options
	options.BindFlags(flag.CommandLine)
	flag.Parse()
	telemetry.Install(telemetry.NewLogger(os.Stderr, telemetry.LogOptions{}))
	if err := operator.Run(ctrl.SetupSignalHandler(), options); err != nil {
		slog.Error("Operator failed", "error", err)
		os.Exit(1)
	}
}

func start(t *testing.T, plane *controlplane.ControlPlane) *replica {
	t.Helper()
	config, err := plane.ConfigFor(t.Context(), namespace, "posthorn-operator")
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := controlplane.WriteKubeconfig(kubeconfig, config); err != nil {
		t.Fatal(err)
	}
	r := &replica{health: address(t), metrics: address(t)}
	r.command = exec.CommandContext(context.Background(), os.Args[0], "--kubeconfig="+kubeconfig, "--namespace="+namespace,
		"--health-address="+r.health, "--metrics-address="+r.metrics)
	r.command.Env = append(os.Environ(), runAsOperator+"=1")
	r.command.Stderr = &r.log
	if err := r.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if r.command.ProcessState == nil {
			_ = r.command.Process.Kill()
			_ = r.command.Wait()
		}
		if t.Failed() {
			t.Logf("log of the replica at %s:\n%s", r.health, r.log.String())
		}
	})
	return r
}

// awaitReady waits until /healthz and /readyz answer 200.
func (r *replica) awaitReady(t *testing.T) {
	t.Helper()
	for _, path := range []string{"/healthz", "/readyz"} {
		await(t, path, func() bool {
			code, _ := get(t, "http://"+r.health+path, "")
			return code == http.StatusOK
		})
	}
}

// stopGracefully stops the process as Kubernetes does, and expects it to end without an error.
func (r *replica) stopGracefully(t *testing.T) {
	t.Helper()
	if err := r.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := r.command.Wait(); err != nil {
		t.Errorf("a graceful stop ended with %v", err)
	}
}

func checkMetrics(t *testing.T, plane *controlplane.ControlPlane, r *replica) {
	t.Helper()
	url := "https://" + r.metrics + "/metrics"
	token := func(account string) string {
		token, err := plane.Token(t.Context(), namespace, account)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	await(t, "metrics", func() bool { // their server starts beside that of health
		code, _ := get(t, url, "")
		return code != 0
	})
	if code, _ := get(t, url, ""); code != http.StatusUnauthorized {
		t.Errorf("without a token: got %d, want 401", code)
	}
	if code, _ := get(t, url, token("posthorn-operator")); code != http.StatusForbidden {
		t.Errorf("without the right: got %d, want 403", code)
	}
	code, body := get(t, url, token("prometheus"))
	if code != http.StatusOK || !strings.Contains(body, "posthorn_operator_status_writes_total") {
		t.Errorf("with the right: got %d and\n%s", code, body)
	}
}

// checkReconciles creates an endpoint and waits for its signing Secret.
func checkReconciles(t *testing.T, admin client.Client, name string) {
	t.Helper()
	obj := &hookv1.WebhookEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       hookv1.WebhookEndpointSpec{URL: "https://billing.example.com"},
	}
	if err := admin.Create(t.Context(), obj); err != nil {
		t.Fatal(err)
	}
	await(t, "signing Secret", func() bool {
		key := client.ObjectKey{Namespace: "default", Name: name + hookv1.SigningSecretSuffix}
		return admin.Get(t.Context(), key, &corev1.Secret{}) == nil
	})
}

// awaitLeader waits for another leader than the given one, and returns its identity.
func awaitLeader(t *testing.T, admin client.Client, before string) string {
	t.Helper()
	holder := ""
	await(t, "a leader", func() bool {
		var lease coordinationv1.Lease
		key := client.ObjectKey{Namespace: namespace, Name: "posthorn-operator"}
		if err := admin.Get(t.Context(), key, &lease); err != nil || lease.Spec.HolderIdentity == nil {
			return false
		}
		holder = *lease.Spec.HolderIdentity
		return holder != "" && holder != before
	})
	return holder
}

func newAdmin(t *testing.T, plane *controlplane.ControlPlane) client.Client {
	t.Helper()
	scheme, err := operator.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	admin, err := client.New(plane.Config(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return admin
}

// createAccounts creates the operator's ServiceAccount with the generated roles, and one that may get
// the metrics.
func createAccounts(t *testing.T, admin client.Client) {
	t.Helper()
	create := func(objects ...client.Object) {
		t.Helper()
		for _, o := range objects {
			if err := admin.Create(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
	}
	account := func(name string) client.Object {
		return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	}
	subjects := func(name string) []rbacv1.Subject {
		return []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: namespace, Name: name}}
	}
	role := func(kind, name string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: name}
	}
	create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, account("posthorn-operator"), account("prometheus"))
	for _, o := range readRoles(t) {
		create(o)
	}
	create(
		&rbacv1.ClusterRole{
			ObjectMeta: metav1.ObjectMeta{Name: "prometheus"},
			Rules:      []rbacv1.PolicyRule{{NonResourceURLs: []string{"/metrics"}, Verbs: []string{"get"}}},
		},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "prometheus"},
			RoleRef:    role("ClusterRole", "prometheus"), Subjects: subjects("prometheus"),
		},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "posthorn-operator"},
			RoleRef:    role("ClusterRole", "posthorn-operator"), Subjects: subjects("posthorn-operator"),
		},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "posthorn-operator"},
			RoleRef:    role("Role", "posthorn-operator"), Subjects: subjects("posthorn-operator"),
		},
	)
}

// get answers an HTTP request; a server that is not there yet gives 0.
func get(t *testing.T, url, token string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	// The certificate of the metrics is self-signed.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Do(request)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// await asks until the answer is yes.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited for %s in vain", what)
		}
	}
}

// address returns an address on loopback that is the caller's.
func address(t *testing.T) string {
	t.Helper()
	a, err := ports.Address()
	if err != nil {
		t.Fatal(err)
	}
	return a
}
