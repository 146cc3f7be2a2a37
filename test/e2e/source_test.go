// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

const (
	// watched is the namespace whose Deployments a sample watches.
	watched = "watched"
	// degraded is the name of the sample's source and subscription.
	degraded = "degraded-deployments"
)

// victim is a Deployment that has no pods while the next ones start.
const victim = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: victim}
spec:
  replicas: 2
  strategy: {type: Recreate}
  selector:
    matchLabels: {app: victim}
  template:
    metadata:
      labels: {app: victim}
    spec:
      containers:
        - name: receiver
          image: localhost/posthorn-e2e:dev
          args: [receiver]
          ports:
            - {name: http, containerPort: 8080}
          readinessProbe:
            httpGet: {path: /healthz, port: http}
            periodSeconds: 2
`

// tellsOfDeployments has a Deployment lose its pods, and get them back.
func tellsOfDeployments() {
	It("tells of a Deployment that is short of replicas, and that it has them again", func(ctx SpecContext) {
		kubectl(ctx, "create", "namespace", watched)
		Expect(kube.client.Create(ctx, receiverEndpoint(watched))).To(Succeed())
		receiver, err := os.ReadFile(filepath.Join(root(), "test", "e2e", "app", "receiver.yaml"))
		Expect(err).NotTo(HaveOccurred())
		apply(ctx, string(receiver), "--namespace", watched)
		apply(ctx, victim, "--namespace", watched)
		for _, name := range []string{"receiver", "victim"} {
			kubectl(ctx, "rollout", "status", "deployment/"+name, "--namespace", watched, "--timeout="+patience.String())
		}
		apply(ctx, sampleForReceiver(), "--namespace", watched)
		kubectl(ctx, "wait", "--for=condition=Ready", "webhookeventsource/"+degraded, "webhooksubscription/"+degraded,
			"--namespace", watched, "--timeout="+patience.String())
		uid := kubectl(ctx, "get", "deployment", "victim", "--namespace", watched, "--output=jsonpath={.metadata.uid}")
		told := func(ctx context.Context) map[string]int {
			types := map[string]int{}
			for id, arrived := range whatWasReceived(ctx, watched, "receiver").Events {
				Expect(id).To(HavePrefix(uid), "an event of something else")
				Expect(arrived.WebhookIDs).To(HaveLen(1))
				types[arrived.Type]++
			}
			return types
		}
		Expect(told(ctx)).To(BeEmpty(), "nothing is short of replicas yet")

		By("sending its pods to a node that does not exist")
		place(ctx, `{"example.com/absent":"yes"}`)
		const turned = "dev.posthorn.kubernetes.apps.deployment.updated"
		Eventually(told).WithContext(ctx).Should(Equal(map[string]int{turned: 1}))

		By("letting them run anywhere again")
		place(ctx, "null")
		Eventually(told).WithContext(ctx).Should(Equal(map[string]int{turned: 1, turned + ".recovered": 1}))
		Expect(whatWasReceived(ctx, watched, "receiver").Refused).To(BeZero())
		kubectl(ctx, "delete", "namespace", watched)
		seen.note("a Deployment without its pods for 5 s, and with them again: one event of each, verified")
	}, withTimeout)
}

// place says on which nodes the victim's pods may run.
func place(ctx context.Context, nodeSelector string) {
	GinkgoHelper()
	kubectl(ctx, "patch", "deployment", "victim", "--namespace", watched, "--type=merge",
		`--patch={"spec":{"template":{"spec":{"nodeSelector":`+nodeSelector+`}}}}`)
}

// sampleForReceiver returns the sample of Deployments without its endpoint, which is on loopback: it sends to that of
// the receiver, and waits for 5 seconds in place of 2 minutes.
func sampleForReceiver() string {
	GinkgoHelper()
	content, err := os.ReadFile(filepath.Join(root(), "config", "samples", "deployment-short-of-replicas.yaml"))
	Expect(err).NotTo(HaveOccurred())
	var kept []string
	for document := range strings.SplitSeq(string(content), "\n---\n") {
		if !strings.Contains(document, "kind: WebhookEndpoint\n") {
			kept = append(kept, document)
		}
	}
	return strings.NewReplacer(
		"namespace: demo\n", "namespace: "+watched+"\n", "for: 2m\n", "for: 5s\n",
		"endpointRef:\n    name: "+degraded+"\n", "endpointRef:\n    name: "+orders+"\n",
	).Replace(strings.Join(kept, "\n---\n") + "\n")
}
