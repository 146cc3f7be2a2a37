// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// askKubernetes shows the resources once their counters tell what happened, which the dispatcher writes at most
// every 10 s.
func (d *demo) askKubernetes(ctx context.Context) error {
	for _, one := range []struct {
		object, field string
		want          int
	}{
		{"webhooksubscription/billing-orders", "matched", d.posted},
		{"webhooksubscription/billing-orders", "delivered", d.posted},
		{"webhookendpoint/billing", "delivered", d.posted},
		{"webhookendpoint/billing", "pending", 0},
		{"webhookendpoint/slack", "delivered", 1},
	} {
		err := d.kubectl(ctx, "wait", "-n", tenant, one.object, "--timeout=60s",
			fmt.Sprintf("--for=jsonpath={.status.deliveries.%s}=%d", one.field, one.want))
		if err != nil {
			return err
		}
	}
	if err := d.kubectl(ctx, "describe", "webhooksubscription", "billing-orders", "-n", tenant); err != nil {
		return err
	}
	if err := d.kubectl(ctx, "get", "webhookendpoints", "-n", tenant); err != nil {
		return err
	}
	return d.checkAccounts(ctx)
}

// checkAccounts sees that every delivery was accounted for: delivered, dead-lettered or pending.
func (d *demo) checkAccounts(ctx context.Context) error {
	const want = "posthorn_unaccounted_deliveries 0"
	if err := d.makeToken(ctx, "METRICS_TOKEN", "metrics"); err != nil {
		return err
	}
	answer, err := d.curl(ctx, call{url: "https://" + dispatcherMetricsAddress + "/metrics", token: "METRICS_TOKEN", unknown: true})
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(answer)) {
		if strings.HasPrefix(line, "posthorn_unaccounted_deliveries ") {
			d.output([]byte("…\n" + line + "…"))
			if strings.TrimSpace(line) == want {
				return nil
			}
		}
	}
	return fmt.Errorf("the metrics do not say %q", want)
}

// invite prints what to try while the demo stays up.
func (d *demo) invite() {
	if err := d.writeEnvironment(); err != nil {
		d.say("%v", err)
		return
	}
	d.title("Posthorn stays up until you press Ctrl-C. In another terminal, in this directory:")
	d.command(". " + d.path("env"))
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
		{"what the receiver got", "curl http://" + receiverAddress + "/requests"},
		{"a receiver that fails", "curl -X POST http://" + receiverAddress + "/control/fail"},
		{"and works again", "curl -X POST http://" + receiverAddress + "/control/recover"},
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
	text := fmt.Appendf(nil, "export KUBECONFIG='%s'\nexport PATH='%s':\"$PATH\"\n", d.plane.Kubeconfig(), filepath.Dir(d.plane.Kubectl()))
	for name, token := range d.tokens {
		text = fmt.Appendf(text, "export %s='%s'\n", name, token)
	}
	if err := os.WriteFile(d.path("env"), text, 0o600); err != nil {
		return fmt.Errorf("write environment: %w", err)
	}
	return nil
}
