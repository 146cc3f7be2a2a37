// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/posthorn-dev/posthorn/internal/testkit/ports"
)

// DispatcherOptions say how a dispatcher is run.
type DispatcherOptions struct {
	// Config is the text of the configuration file. It must admit 127.0.0.1, or no receiver of a test can be
	// reached.
	Config string
	// DataDir holds the event log; a new directory when empty.
	DataDir string
	// Program is the binary; that of the platform when empty.
	Program string
	// Proxy stands before the API server; nil for none.
	Proxy *Proxy
	// Args are more flags.
	Args []string
	// Env are more variables of the environment, such as GODEBUG=….
	Env []string
}

// Dispatcher is a dispatcher process, with the addresses that it keeps over its restarts.
type Dispatcher struct {
	*Process
	// DataDir holds the event log.
	DataDir string
	// Ingest, Health and Metrics are where it listens.
	Ingest, Health, Metrics string
}

// NewDispatcher prepares a dispatcher, which Start runs.
func (p *Platform) NewDispatcher(ctx context.Context, o DispatcherOptions) (*Dispatcher, error) {
	dir, err := os.MkdirTemp(p.Dir, "dispatcher-")
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	d := &Dispatcher{DataDir: o.DataDir}
	if d.DataDir == "" {
		d.DataDir = filepath.Join(dir, "data")
	}
	for _, address := range []*string{&d.Ingest, &d.Health, &d.Metrics} {
		if *address, err = ports.Address(); err != nil {
			return nil, err
		}
	}
	kubeconfig, err := p.Kubeconfig(ctx, "dispatcher", o.Proxy)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(config, []byte(o.Config), 0o600); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	d.Process = p.newProcess("dispatcher", dir, append([]string{
		"--config", config, "--data-dir", d.DataDir, "--kubeconfig", kubeconfig, "--namespace", Namespace,
		"--ingest-address", d.Ingest, "--health-address", d.Health,
		"--metrics-address", d.Metrics, "--metrics-insecure",
	}, o.Args...))
	if o.Program != "" {
		d.program = o.Program
	}
	d.env = o.Env
	return d, nil
}

// AwaitReady waits until the dispatcher takes and routes events.
func (d *Dispatcher) AwaitReady(ctx context.Context) error {
	return d.awaitAnswer(ctx, d.Health, "/readyz")
}

// AwaitAlive waits until the dispatcher answers at all. It knows by then what to do when it is asked to end.
func (d *Dispatcher) AwaitAlive(ctx context.Context) error {
	return d.awaitAnswer(ctx, d.Health, "/healthz")
}

// Operator is an operator process, with the address that it keeps over its restarts.
type Operator struct {
	*Process
	// Health is where it tells how it is.
	Health string
}

// NewOperator prepares an operator, which Start runs. A proxy stands before the API server where it is not nil.
func (p *Platform) NewOperator(ctx context.Context, config string, proxy *Proxy, args ...string) (*Operator, error) {
	dir, err := os.MkdirTemp(p.Dir, "operator-")
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	health, err := ports.Address()
	if err != nil {
		return nil, err
	}
	kubeconfig, err := p.Kubeconfig(ctx, "operator", proxy)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	return &Operator{Health: health, Process: p.newProcess("operator", dir, append([]string{
		"--config", file, "--kubeconfig", kubeconfig, "--namespace", Namespace, "--leader-elect=false",
		"--health-address", health, "--metrics-address", "0",
	}, args...))}, nil
}

// AwaitReady waits until the operator reconciles.
func (o *Operator) AwaitReady(ctx context.Context) error {
	return o.awaitAnswer(ctx, o.Health, "/readyz")
}
