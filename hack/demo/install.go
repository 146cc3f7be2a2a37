// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/posthorn-dev/posthorn/internal/testkit/controlplane"
)

func (d *demo) startControlPlane(ctx context.Context) error {
	d.say("As plain processes on loopback; this takes some 10 s. All state is in %s", d.dir)
	var err error
	d.plane, err = controlplane.Start(controlplane.Options{
		ControllerManager: true, Dir: d.path("controlplane"), StartTimeout: stepTimeout,
	})
	if err != nil {
		return err
	}
	return d.kubectl(ctx, "version")
}

func (d *demo) install(ctx context.Context) error {
	commands := []string{
		"apply --server-side -k config/crd",
		"wait --for=condition=Established crd/webhookendpoints.posthorn.dev crd/webhooksubscriptions.posthorn.dev crd/webhookeventsources.posthorn.dev",
		"apply -f config/default/namespace.yaml",
		"apply -k config/rbac",
	}
	for _, command := range commands {
		if err := d.kubectl(ctx, strings.Fields(command)...); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) runPosthorn(ctx context.Context) error {
	for _, name := range []string{"operator", "dispatcher"} {
		if err := d.writeKubeconfig(ctx, name); err != nil {
			return err
		}
	}
	if err := d.runProgram("operator",
		"--health-address="+operatorHealthAddress, "--metrics-address="+operatorMetricsAddress,
	); err != nil {
		return err
	}
	if err := d.runProgram("dispatcher", "--data-dir="+d.path("data"), "--ingest-address="+ingestAddress,
		"--health-address="+dispatcherHealthAddress, "--metrics-address="+dispatcherMetricsAddress,
	); err != nil {
		return err
	}
	for name, address := range map[string]string{
		"operator": operatorHealthAddress, "dispatcher": dispatcherHealthAddress,
	} {
		err := d.await(ctx, name+" gets ready", func(ctx context.Context) error {
			_, err := d.request(ctx, call{url: "http://" + address + "/readyz"})
			return err
		})
		if err != nil {
			return err
		}
	}
	d.say("Both are ready.")
	return nil
}

// writeKubeconfig gives a process the token of its ServiceAccount, and sees that it is no administrator's.
func (d *demo) writeKubeconfig(ctx context.Context, name string) error {
	config, err := d.plane.ConfigFor(ctx, system, "posthorn-"+name)
	if err != nil {
		return err
	}
	if err := controlplane.WriteKubeconfig(d.kubeconfig(name), config); err != nil {
		return err
	}
	command := []string{"--kubeconfig=" + d.kubeconfig(name), "auth", "can-i", "create", "deployments"}
	if name == "dispatcher" { // Tenants' Secrets are none of its business; the operator reads those marked for use.
		command = append(command[:2], "can-i", "get", "secrets")
	}
	command = append(command, "--namespace="+tenant)
	d.command("kubectl " + strings.Join(command, " "))
	answer, err := d.kubectlQuiet(ctx, command...)
	d.output(answer)
	if strings.TrimSpace(string(answer)) != "no" {
		return fmt.Errorf("the rights of %s: %w", name, err)
	}
	return nil
}

func (d *demo) kubeconfig(name string) string { return d.path(name + ".kubeconfig") }

// runProgram runs operator or dispatcher, with the flags that both have.
func (d *demo) runProgram(name string, args ...string) error {
	program := filepath.Join("bin", name)
	args = append([]string{
		"--config=" + filepath.Join("hack", "demo", "config.yaml"),
		"--namespace=" + system, "--kubeconfig=" + d.kubeconfig(name),
	}, args...)
	d.command(program + " " + strings.Join(args, " \\\n"))
	return d.processes.start(name, nil, program, args...)
}

func (d *demo) runReceiver(ctx context.Context) error {
	args := []string{"--address=" + receiverAddress, "--secret-file=" + d.path("signing-secret")}
	program := filepath.Join("bin", "demo-receiver")
	d.command(program + " " + strings.Join(args, " "))
	if err := d.processes.start("receiver", d.lines("receiver"), program, args...); err != nil {
		return err
	}
	return d.await(ctx, "receiver answers", func(ctx context.Context) error {
		_, err := d.received(ctx)
		return err
	})
}

func (d *demo) applySamples(ctx context.Context) error {
	if err := d.kubectl(ctx, "apply", "-f", "hack/demo/manifests/tenant.yaml"); err != nil {
		return err
	}
	if err := d.kubectl(ctx, "apply", "-n", tenant, "-k", "config/samples"); err != nil {
		return err
	}
	err := d.kubectl(ctx, "wait", "-n", tenant, "--for=condition=Ready", "webhookendpoints,webhooksubscriptions", "--all",
		"--timeout=60s")
	if err != nil {
		return err
	}
	d.say("Posthorn made the signing key; the receiver gets it as a person would.")
	return d.shareSecret(ctx, "billing")
}

// shareSecret gives the receiver the signing key that the operator made for an endpoint.
func (d *demo) shareSecret(ctx context.Context, endpoint string) error {
	template := "{{.data.current | base64decode}}{{\"\\n\"}}"
	command := []string{"get", "secret", endpoint + "-signing", "-n", tenant, "--template=" + template}
	d.command(fmt.Sprintf("kubectl get secret %s-signing -n %s \\\n--template='%s' >> %s",
		endpoint, tenant, template, d.path("signing-secret")))
	secret, err := d.kubectlQuiet(ctx, command...)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(d.path("signing-secret"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the receiver's secrets: %w", err)
	}
	_, err = file.Write(secret)
	return errors.Join(err, file.Close())
}

// makeToken gets a token of one of the tenant's ServiceAccounts, for Posthorn alone: the API server refuses it.
func (d *demo) makeToken(ctx context.Context, variable, account string) error {
	command := []string{
		"create", "token", account, "-n", tenant, "--audience", "posthorn", "--duration", "24h",
	}
	d.command(fmt.Sprintf("%s=$(kubectl %s)", variable, strings.Join(command, " ")))
	token, err := d.kubectlQuiet(ctx, command...)
	if err != nil {
		return err
	}
	d.tokens[variable] = strings.TrimSpace(string(token))
	return nil
}
