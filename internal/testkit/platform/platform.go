// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	runtimepkg "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/testkit/controlplane"
)

// Namespace is Posthorn's own namespace, as config/ names it.
const Namespace = "posthorn-system"

// Platform is a control plane with Posthorn installed in it, and the binaries to run there.
type Platform struct {
	// Plane is the control plane.
	Plane *controlplane.ControlPlane
	// Admin may do everything.
	Admin client.Client
	// Dir is a temporary directory, which Stop removes.
	Dir string
}

// Start brings up a control plane with Posthorn's resources, roles and accounts, and builds the binaries. The
// caller must Stop it.
func Start(o controlplane.Options) (*Platform, error) {
	dir, err := os.MkdirTemp("", "posthorn-")
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	p := &Platform{Dir: dir}
	if err := p.start(o); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

func (p *Platform) start(o controlplane.Options) (err error) {
	if err := Build(filepath.Join(p.Dir, "bin")); err != nil {
		return err
	}
	if p.Plane, err = controlplane.Start(o); err != nil {
		return err
	}
	log.SetLogger(klog.Background()) // or the client complains after 30 s that nobody reads what it logs
	scheme := runtimepkg.NewScheme()
	for _, add := range []func(*runtimepkg.Scheme) error{corev1.AddToScheme, rbacv1.AddToScheme, hookv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return fmt.Errorf("register kinds: %w", err)
		}
	}
	if p.Admin, err = client.New(p.Plane.Config(), client.Options{Scheme: scheme}); err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	return p.install()
}

// install applies what config/ has for Posthorn, the Deployments apart.
func (p *Platform) install() error {
	config := filepath.Join(Root(), "config")
	if err := p.Plane.InstallCRDs(filepath.Join(config, "crd", "bases")); err != nil {
		return err
	}
	kubectl := []string{"--kubeconfig", p.Plane.Kubeconfig(), "apply", "--server-side"}
	for _, args := range [][]string{
		{"-f", filepath.Join(config, "default", "namespace.yaml")}, {"-k", filepath.Join(config, "rbac")},
	} {
		if err := command("", p.Plane.Kubectl(), append(kubectl, args...)...); err != nil {
			return err
		}
	}
	return nil
}

// Stop ends the control plane and removes the directory. The processes were stopped before.
func (p *Platform) Stop() error {
	var err error
	if p.Plane != nil {
		err = p.Plane.Stop()
	}
	if os.Getenv("POSTHORN_KEEP") != "" {
		return err
	}
	return errors.Join(err, os.RemoveAll(p.Dir))
}

// Root is the root of the repository.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}

// Build builds operator and dispatcher into the directory, with more flags of go build where given.
func Build(dir string, flags ...string) error {
	args := append([]string{"build", "-o", dir + string(filepath.Separator)}, flags...)
	return command(Root(), "go", append(args, "./cmd/operator", "./cmd/dispatcher")...)
}

// Binary is the path of the operator or the dispatcher.
func (p *Platform) Binary(name string) string { return filepath.Join(p.Dir, "bin", name) }

// Proxy is what stands before the API server: its URL, and the certificate to know it by, PEM.
type Proxy struct {
	URL         string
	Certificate []byte
}

// Kubeconfig writes a kubeconfig with the rights of one of Posthorn's own accounts, operator or dispatcher. It
// leads to the proxy where there is one.
func (p *Platform) Kubeconfig(ctx context.Context, name string, proxy *Proxy) (string, error) {
	config, err := p.Plane.ConfigFor(ctx, Namespace, "posthorn-"+name)
	if err != nil {
		return "", err
	}
	if proxy != nil {
		config.Host, config.TLSClientConfig = proxy.URL, rest.TLSClientConfig{CAData: proxy.Certificate}
	}
	file, err := os.CreateTemp(p.Dir, name+"-*.kubeconfig")
	if err != nil {
		return "", fmt.Errorf("make kubeconfig: %w", err)
	}
	if err := file.Close(); err != nil {
		return "", fmt.Errorf("make kubeconfig: %w", err)
	}
	return file.Name(), controlplane.WriteKubeconfig(file.Name(), config)
}

// command runs a program in a directory; the error holds what it said.
func command(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run %s: %w: %s", name, err, out)
	}
	return nil
}
