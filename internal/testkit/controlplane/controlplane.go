// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/posthorn-dev/posthorn/internal/testkit/ports"
)

// DefaultServiceRange is where Services get their addresses from, unless Options say otherwise.
const DefaultServiceRange = "10.96.0.0/16"

// defaultStartTimeout is ten times what a start takes on an idle machine of 2 cores.
const defaultStartTimeout = 60 * time.Second

// Options say what Start runs. The zero value runs etcd and kube-apiserver.
type Options struct {
	// ControllerManager also runs kube-controller-manager, with the controllers that tests can see the
	// work of without a node: garbage collection, namespace deletion, ServiceAccounts, aggregated roles.
	ControllerManager bool
	// CRDs is a directory whose CustomResourceDefinitions are installed before the controller manager
	// starts; none when empty. Its garbage collector knows their kinds at once then, and not only when
	// it looks for new ones, every 30 seconds.
	CRDs string
	// ServiceRange is the CIDR of ClusterIPs; DefaultServiceRange when empty. Nothing forwards them.
	ServiceRange string
	// Audit records every request in the file that AuditLog names, one JSON object a line, without bodies.
	Audit bool
	// APIServerFlags are appended to the flags of kube-apiserver, where the last one wins.
	APIServerFlags []string
	// Dir is a new or empty directory for keys, data and logs, which Stop keeps. When empty, a temporary
	// one is made, which Stop removes.
	Dir string
	// StartTimeout bounds the start, and each later StartAPIServer; 60 s when 0.
	StartTimeout time.Duration
}

// ControlPlane is a running control plane. Its methods are safe for concurrent use.
type ControlPlane struct {
	options   Options
	assets    string
	dir       string
	temporary bool
	keys      *keyring
	// Where etcd and kube-apiserver listen, on 127.0.0.1.
	etcdPort, apiServerPort int

	launcher *launcher

	mu         sync.Mutex
	etcd       *process
	apiServer  *process
	controller *process
}

// Start brings a control plane up and returns once it serves requests and its RBAC bootstrap is done.
// The caller must Stop it. When the start fails, nothing keeps running, and the error holds the last lines
// that the component at fault logged.
func Start(opts Options) (*ControlPlane, error) {
	assets, err := findAssets()
	if err != nil {
		return nil, err
	}
	if opts.ServiceRange == "" {
		opts.ServiceRange = DefaultServiceRange
	}
	if opts.StartTimeout == 0 {
		opts.StartTimeout = defaultStartTimeout
	}

	c := &ControlPlane{options: opts, assets: assets}
	if err := c.prepare(); err != nil {
		return nil, errors.Join(err, c.removeDir())
	}
	c.launcher = newLauncher()
	if err := c.start(); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// prepare writes all that the components read: keys, certificates, kubeconfigs, policies.
func (c *ControlPlane) prepare() error {
	if err := c.makeDir(); err != nil {
		return err
	}
	var err error
	if c.etcdPort, err = ports.Reserve(); err != nil {
		return err
	}
	if c.apiServerPort, err = ports.Reserve(); err != nil {
		return err
	}
	if c.keys, err = newKeyring(filepath.Join(c.dir, "pki"), c.options.ServiceRange); err != nil {
		return err
	}
	if err := WriteKubeconfig(c.Kubeconfig(), c.Config()); err != nil {
		return err
	}
	if c.options.ControllerManager {
		if err := WriteKubeconfig(c.path("controller-manager.kubeconfig"), c.configOf(userControllerManager)); err != nil {
			return err
		}
	}
	if c.options.Audit {
		return os.WriteFile(c.path("audit-policy.yaml"), []byte(auditPolicy), 0o600)
	}
	return nil
}

func (c *ControlPlane) start() error {
	c.mu.Lock()
	defer c.mu.Unlock()

	var err error
	if c.etcd, err = c.run("etcd", c.etcdFlags()); err != nil {
		return err
	}
	// kube-apiserver waits for etcd by itself, so that both start at the same time.
	if err := c.startAPIServer(); err != nil {
		return err
	}
	if c.options.CRDs != "" {
		if err := c.InstallCRDs(c.options.CRDs); err != nil {
			return err
		}
	}
	if !c.options.ControllerManager {
		return nil
	}
	if c.controller, err = c.run("kube-controller-manager", c.controllerManagerFlags()); err != nil {
		return err
	}
	return c.await(c.controller, "/api/v1/namespaces/default/serviceaccounts/default")
}

// startAPIServer runs kube-apiserver and waits until it is ready. The caller holds mu.
func (c *ControlPlane) startAPIServer() error {
	var err error
	if c.apiServer, err = c.run("kube-apiserver", c.apiServerFlags()); err != nil {
		return err
	}
	if err := c.await(c.apiServer, "/readyz"); err != nil {
		return err
	}
	return c.await(c.apiServer, "/api/v1/namespaces/default")
}

// StopAPIServer ends kube-apiserver at once, as a crash does: open requests and watches break. It does
// nothing when the API server does not run.
func (c *ControlPlane) StopAPIServer() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.apiServer == nil {
		return nil
	}
	c.apiServer.kill()
	c.apiServer = nil
	return nil
}

// StartAPIServer starts kube-apiserver again after StopAPIServer, at the same address, with the same keys
// and data, and returns once it is ready. It does nothing while the API server runs.
func (c *ControlPlane) StartAPIServer() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.apiServer != nil {
		return nil
	}
	return c.startAPIServer()
}

// Stop ends every process and removes the temporary directory. The components are killed: their data goes
// with them, and an orderly end of kube-apiserver would wait for every watch. Stopping twice is harmless.
func (c *ControlPlane) Stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	// The controller manager first and etcd last, so that none logs the absence of the next.
	for _, p := range []**process{&c.controller, &c.apiServer, &c.etcd} {
		if *p != nil {
			(*p).kill()
			*p = nil
		}
	}
	c.launcher.stop()
	return c.removeDir()
}

// Config returns the configuration of a cluster administrator, without a client-side rate limit.
func (c *ControlPlane) Config() *rest.Config { return c.configOf(userAdmin) }

// Kubeconfig returns the path of the administrator's kubeconfig.
func (c *ControlPlane) Kubeconfig() string { return c.path("admin.kubeconfig") }

// Kubectl returns the path of a kubectl of the server's version.
func (c *ControlPlane) Kubectl() string { return filepath.Join(c.assets, "kubectl") }

// AuditLog returns the path of the audit log that Options.Audit asks for.
func (c *ControlPlane) AuditLog() string { return c.path("audit.log") }

// Dir returns the directory of keys, data and logs. Callers may keep files of their own in it.
func (c *ControlPlane) Dir() string { return c.dir }

func (c *ControlPlane) path(name string) string { return filepath.Join(c.dir, name) }

func (c *ControlPlane) makeDir() error {
	if c.options.Dir == "" {
		dir, err := os.MkdirTemp("", "posthorn-controlplane-")
		if err != nil {
			return fmt.Errorf("make control plane directory: %w", err)
		}
		c.dir, c.temporary = dir, true
		return nil
	}
	dir, err := filepath.Abs(c.options.Dir)
	if err != nil {
		return fmt.Errorf("locate control plane directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make control plane directory: %w", err)
	}
	c.dir = dir
	return nil
}

func (c *ControlPlane) removeDir() error {
	if !c.temporary {
		return nil
	}
	return os.RemoveAll(c.dir)
}
