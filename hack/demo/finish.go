// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// askKubernetes shows the resources once their counters tell what happened: they are written at most every 10 s.
func (d *demo) askKubernetes(ctx context.Context) error {
	for _, field := range []string{"matched", "delivered"} {
		err := d.kubectl(ctx, "wait", "-n", tenant, "webhooksubscription/billing-orders", "--timeout=60s",
			fmt.Sprintf("--for=jsonpath={.status.deliveries.%s}=%d", field, d.posted))
		if err != nil {
			return err
		}
	}
	if err := d.kubectl(ctx, "describe", "webhooksubscription", "billing-orders", "-n", tenant); err != nil {
		return err
	}
	return d.kubectl(ctx, "get", "webhookendpoints", "-n", tenant)
}

// invite prints what to try while the demo stays up.
func (d *demo) invite() {
	if err := d.writeEnvironment(); err != nil {
		d.say("%v", err)
		return
	}
	d.title("Posthorn stays up until you press Ctrl-C. In another terminal, in this directory:")
	d.command(". " + d.path("env"))
	d.say("")
	for _, example := range []struct{ what, command string }{
		{"what there is", "kubectl get webhookendpoints,webhooksubscriptions -n " + tenant + " -o wide"},
		{"what happened", "kubectl events -n " + tenant},
		{"an event, as plain JSON", call{
			url:   "http://" + ingestAddress + "/v1/namespaces/" + tenant + "/events/com.example.order.paid",
			token: "TOKEN", kind: "application/json", body: `{"total": 42}`,
		}.String()},
		{"what became of it", call{
			url: "http://" + ingestAddress + "/v1/namespaces/" + tenant + "/deliveries?limit=5", token: "SUPPORT_TOKEN",
		}.String()},
		{"a receiver that fails, and works again", "curl -X POST http://" + receiverAddress + "/control/fail\n" +
			"curl -X POST http://" + receiverAddress + "/control/recover"},
		{
			"a new signing key; the receiver's old one is good for another day",
			"kubectl annotate webhookendpoint billing -n " + tenant + " posthorn.dev/rotate=now",
		},
		{"what a mistake looks like", "kubectl patch webhookendpoint billing -n " + tenant +
			` --type=merge \
-p '{"spec":{"url":"http://user:secret@127.0.0.1:9400/hooks"}}'`},
		{"what they log", "tail " + d.path("operator.log") + " " + d.path("dispatcher.log")},
	} {
		d.say("# %s", example.what)
		d.command(example.command)
	}
}

// writeEnvironment writes what a shell needs to run the demo's commands.
func (d *demo) writeEnvironment() error {
	text := fmt.Sprintf("export KUBECONFIG='%s'\nexport PATH='%s':\"$PATH\"\n", d.plane.Kubeconfig(), filepath.Dir(d.plane.Kubectl()))
	for name, token := range d.tokens {
		text += fmt.Sprintf("export %s='%s'\n", name, token)
	}
	if err := os.WriteFile(d.path("env"), []byte(text), 0o600); err != nil {
		return fmt.Errorf("write environment: %w", err)
	}
	return nil
}
