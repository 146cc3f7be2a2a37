// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/posthorn-dev/posthorn/internal/testkit/controlplane"
)

const (
	// stepTimeout bounds a step: some ten times what the slowest takes on an idle machine of 2 cores.
	stepTimeout = 2 * time.Minute
	// pollInterval is how often the demo looks at what it waits for.
	pollInterval = 100 * time.Millisecond

	// system is Posthorn's own namespace, tenant the one that has the samples and posts events.
	system = "posthorn-system"
	tenant = "demo"
)

// Where the processes listen. The receiver's address stands in config/samples.
const (
	receiverAddress          = "127.0.0.1:9400"
	ingestAddress            = "127.0.0.1:9401"
	dispatcherHealthAddress  = "127.0.0.1:9402"
	dispatcherMetricsAddress = "127.0.0.1:9403"
	operatorHealthAddress    = "127.0.0.1:9404"
	operatorMetricsAddress   = "127.0.0.1:9405"
)

// step is one thing that is shown. Its run returns nil once it was seen to work.
type step struct {
	title string
	run   func(*demo, context.Context) error
}

// steps are the demo, in order.
var steps = []step{
	{"Start a Kubernetes control plane: etcd, kube-apiserver and kube-controller-manager", (*demo).startControlPlane},
	{"Install Posthorn's resources and roles", (*demo).install},
	{"Run operator and dispatcher, each with the rights of its own ServiceAccount", (*demo).runPosthorn},
	{"Start a receiver that verifies signatures with the Standard Webhooks library", (*demo).runReceiver},
	{"Apply the samples: where to send, and what", (*demo).applySamples},
	{"Post an event, and see it arrive signed", (*demo).postEvent},
	{"Post an alert, and see it arrive as a text at a Slack-like service, whose URL is in a Secret", (*demo).postAlert},
	{"Have a Deployment be short of replicas, and see the events that Posthorn makes of it", (*demo).degradeDeployment},
	{"Break the receiver: Posthorn tries again, then opens the circuit", (*demo).breakReceiver},
	{"Post two more: while the circuit is open they wait, and use up no attempt", (*demo).postWhileOpen},
	{"Repair the receiver: the circuit closes, and all that waited arrives", (*demo).repairReceiver},
	{"Ask Kubernetes how it went", (*demo).askKubernetes},
}

// demo is the state that the steps share.
type demo struct {
	terminal
	dir       string // of all state, removed at the end
	plane     *controlplane.ControlPlane
	processes processes
	// tokens of the tenant's two ServiceAccounts, by the names of their variables
	tokens map[string]string
	posted int // orders
}

// newDemo makes the directory of the demo's state. The function is called when one of the processes ends.
func newDemo(out io.Writer, ended context.CancelCauseFunc) (*demo, error) {
	if _, err := os.Stat("config/samples"); err != nil {
		return nil, fmt.Errorf("run it by make demo, in the root of the repository: %w", err)
	}
	dir, err := os.MkdirTemp("", "posthorn-demo-")
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	return &demo{
		terminal: terminal{out: out}, dir: dir,
		processes: processes{dir: dir, ended: ended}, tokens: map[string]string{},
	}, nil
}

// play runs the steps until one fails.
func (d *demo) play(ctx context.Context) error {
	if err := checkPorts(); err != nil {
		return err
	}
	for i, s := range steps {
		d.title("[%d/%d] %s", i+1, len(steps), s.title)
		if err := d.playStep(ctx, s); err != nil {
			return fmt.Errorf("step %d of %d, %q: %w", i+1, len(steps), s.title, err)
		}
	}
	d.title("All %d steps were seen to work.", len(steps))
	return nil
}

func (d *demo) playStep(ctx context.Context, s step) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	err := s.run(d, ctx)
	// Why the context ended says more than the command that it broke off; and it may have ended while something
	// ran that does not heed it.
	return errors.Join(context.Cause(ctx), err)
}

// await returns once check does without an error. It gives up, with the last error, when the context ends.
func (d *demo) await(ctx context.Context, what string, check func(context.Context) error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, err)
		}
	}
}

// explain tells which step failed, how the resources are, and what the processes logged last.
func (d *demo) explain(err error) {
	d.title("FAILED: %v", err)
	if len(d.processes.list) > 0 {
		// The step's own context may have ended.
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		d.title("The resources:")
		if err := d.kubectl(ctx, "get", "webhookendpoints,webhooksubscriptions,webhookeventsources", "-n", tenant, "-o", "wide"); err != nil {
			d.say("%v", err)
		}
	}
	for _, p := range d.processes.list {
		d.title("The end of the log of %s:", p.name)
		d.output(p.tail())
	}
}

// stop ends all processes and removes the state.
func (d *demo) stop() {
	d.title("Stopping all processes and removing %s", d.dir)
	d.processes.stop()
	var err error
	if d.plane != nil {
		err = d.plane.Stop()
	}
	if err := errors.Join(err, os.RemoveAll(d.dir)); err != nil {
		d.say("%v", err)
	}
}

// checkPorts reports addresses that another program listens on, such as another demo.
func checkPorts() error {
	var taken []error
	for _, address := range []string{
		receiverAddress, ingestAddress, dispatcherHealthAddress, dispatcherMetricsAddress,
		operatorHealthAddress, operatorMetricsAddress,
	} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			taken = append(taken, err)
			continue
		}
		taken = append(taken, listener.Close())
	}
	if err := errors.Join(taken...); err != nil {
		return fmt.Errorf("the demo needs its addresses, does another one run? %w", err)
	}
	return nil
}

// path returns the path of a file of the demo's state.
func (d *demo) path(name string) string { return filepath.Join(d.dir, name) }
