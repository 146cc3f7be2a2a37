// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/posthorn-dev/posthorn/internal/testkit/controlplane"
)

func TestStart_ReportsTheVersionItWasBuiltFrom(t *testing.T) {
	version, err := clientsFor(t, shared.Config()).Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if version.Major != "1" || !strings.HasPrefix(version.GitVersion, "v1."+version.Minor+".") {
		t.Errorf("version: got %s.%s, %s", version.Major, version.Minor, version.GitVersion)
	}
}

func TestStart_NamesTheLogOfAComponentThatEnds(t *testing.T) {
	dir := t.TempDir()
	_, err := controlplane.Start(controlplane.Options{Dir: dir, APIServerFlags: []string{"--no-such-flag"}})
	if err == nil || !strings.Contains(err.Error(), "kube-apiserver") || !strings.Contains(err.Error(), "no-such-flag") {
		t.Errorf("got error %v, want one with the component and its log", err)
	}
	if left := processesIn(t, dir); len(left) > 0 {
		t.Errorf("processes left: %v", left)
	}
}

func TestControllerManager_EmptiesNamespaces(t *testing.T) {
	namespace := newNamespace(t, "tenant")
	namespaces := clientsFor(t, shared.Config()).CoreV1().Namespaces()
	if err := namespaces.Delete(t.Context(), namespace, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "namespace goes", func(ctx context.Context) (bool, error) {
		_, err := namespaces.Get(ctx, namespace, metav1.GetOptions{})
		return apierrors.IsNotFound(err), nil
	})
}

func TestControllerManager_CollectsWhatAnOwnerLeaves(t *testing.T) {
	namespace := newNamespace(t, "tenant")
	configMaps := clientsFor(t, shared.Config()).CoreV1().ConfigMaps(namespace)
	owner, err := configMaps.Create(t.Context(),
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "owner"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = configMaps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name:            "owned",
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "owner", UID: owner.UID}},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := configMaps.Delete(t.Context(), "owner", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "owned object goes", func(ctx context.Context) (bool, error) {
		_, err := configMaps.Get(ctx, "owned", metav1.GetOptions{})
		return apierrors.IsNotFound(err), nil
	})
}

func TestInstallCRDs_ServesTheirResources(t *testing.T) {
	if err := shared.InstallCRDs(filepath.Join("testdata", "crds")); err != nil {
		t.Fatal(err)
	}
	resources, err := clientsFor(t, shared.Config()).Discovery().ServerResourcesForGroupVersion("testing.posthorn.dev/v1")
	if err != nil {
		t.Fatal(err)
	}
	if len(resources.APIResources) != 1 || resources.APIResources[0].Kind != "Note" {
		t.Errorf("resources: got %v, want Note", resources.APIResources)
	}
}

func TestInstallCRDs_RefusesADirectoryThatIsNotThere(t *testing.T) {
	if err := shared.InstallCRDs(filepath.Join("testdata", "none")); err == nil {
		t.Error("got no error")
	}
}

func TestAuditLog_HoldsEachRequest(t *testing.T) {
	namespace := newNamespace(t, "audited")
	log, err := os.ReadFile(shared.AuditLog())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(log, []byte(`"/api/v1/namespaces/`+namespace+`/serviceaccounts"`)) {
		t.Errorf("no request of namespace %s in %d bytes of audit log", namespace, len(log))
	}
}

func TestStopAPIServer_KeepsAddressAndData(t *testing.T) {
	// Loopback addresses as ClusterIPs are dialled without anything that forwards them.
	plane, err := controlplane.Start(controlplane.Options{Dir: t.TempDir(), ServiceRange: "127.96.0.0/16"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	})
	services := clientsFor(t, plane.Config()).CoreV1().Services("default")
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "kept"},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": "kept"},
			Ports:    []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(80)}},
		},
	}
	created, err := services.Create(t.Context(), service, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(created.Spec.ClusterIP, "127.96.") {
		t.Errorf("ClusterIP: got %s, want one of 127.96.0.0/16", created.Spec.ClusterIP)
	}

	if err := plane.StopAPIServer(); err != nil {
		t.Fatal(err)
	}
	if _, err := services.Get(t.Context(), "kept", metav1.GetOptions{}); err == nil {
		t.Fatal("the API server answers after its stop")
	}
	if err := plane.StartAPIServer(); err != nil {
		t.Fatal(err)
	}
	if _, err := services.Get(t.Context(), "kept", metav1.GetOptions{}); err != nil {
		t.Errorf("get after the outage: %v", err)
	}
}

func TestStop_LeavesNothing(t *testing.T) {
	plane, err := controlplane.Start(controlplane.Options{ControllerManager: true})
	if err != nil {
		t.Fatal(err)
	}
	if running := processesIn(t, plane.Dir()); runtime.GOOS == "linux" && len(running) != 3 {
		t.Errorf("running: got %v, want 3 processes", running)
	}
	if err := plane.Stop(); err != nil {
		t.Fatal(err)
	}
	if left := processesIn(t, plane.Dir()); len(left) > 0 {
		t.Errorf("processes left: %v", left)
	}
	if _, err := os.Stat(plane.Dir()); !os.IsNotExist(err) {
		t.Errorf("directory left: %v", err)
	}
	if err := plane.Stop(); err != nil {
		t.Errorf("second stop: %v", err)
	}
}

// TestStart_LeavesNoProcessWhenItsProgramIsKilled kills a program of its own, this test binary started once
// more, which cannot clean up then.
func TestStart_LeavesNoProcessWhenItsProgramIsKilled(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("only Linux lets a process die with its parent")
		return
	}
	dir := t.TempDir()
	helper := exec.Command(os.Args[0])
	helper.Env = append(os.Environ(), helperVariable+"="+dir)
	output, err := helper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	helper.Stderr = os.Stderr
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if running := processesIn(t, dir); line != "started\n" || len(running) != 2 {
		t.Errorf("helper said %q (%v), running %v; want 2 processes", line, err, running)
	}

	if err := helper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := helper.Wait(); err == nil {
		t.Error("the killed helper ended without an error")
	}
	eventually(t, "processes go", func(context.Context) (bool, error) {
		return len(processesIn(t, dir)) == 0, nil
	})
}

// runHelper starts a control plane, says so and waits for its end.
func runHelper() {
	if _, err := controlplane.Start(controlplane.Options{Dir: os.Getenv(helperVariable)}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("started")
	select {}
}

// processesIn lists the processes whose working directory is dir, by /proc; none where there is no /proc.
func processesIn(t *testing.T, dir string) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, link := range links {
		// A process that ends meanwhile, or of another user, has no readable link.
		if target, err := os.Readlink(link); err == nil && target == dir {
			found = append(found, link)
		}
	}
	return found
}
