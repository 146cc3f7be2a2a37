// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// produced is what the producer of getting started tells.
type produced struct {
	Accepted []string       `json:"accepted"`
	Pending  int            `json:"pending"`
	Resent   int            `json:"resent"`
	Answers  map[string]int `json:"answers"`
	Problem  string         `json:"problem"`
}

// received is what a receiver tells.
type received struct {
	Verified   int                 `json:"verified"`
	Refused    int                 `json:"refused"`
	Problems   []string            `json:"problems"`
	Events     map[string]arrivals `json:"events"`
	Key        string              `json:"key"`
	Signatures int                 `json:"signatures"`
}

// arrivals are the verified requests with one event.
type arrivals struct {
	Requests   int      `json:"requests"`
	Type       string   `json:"type"`
	WebhookIDs []string `json:"webhookIDs"`
}

// fast is the stream of events during disturbances: 50 a second.
const fast = 20 * time.Millisecond

// runApps runs producer and receiver of getting started in another namespace, and returns when both are ready. The
// endpoint "orders" must be there, whose key the receiver mounts.
func runApps(ctx context.Context, namespace string) {
	GinkgoHelper()
	kubectl(ctx, "create", "serviceaccount", "checkout", "--namespace", namespace)
	kubectl(ctx, "create", "rolebinding", "checkout-posts-events", "--namespace", namespace,
		"--clusterrole=posthorn-producer", "--serviceaccount="+namespace+":checkout")
	kubectl(ctx, "create", "configmap", "posthorn-ca", "--namespace", namespace, "--from-literal=ca.crt="+authority(ctx))
	for _, app := range []string{"receiver", "producer"} {
		manifests, err := os.ReadFile(filepath.Join(root(), "test", "e2e", "app", app+".yaml"))
		Expect(err).NotTo(HaveOccurred())
		apply(ctx, strings.ReplaceAll(string(manifests), "/namespaces/"+shop+"/", "/namespaces/"+namespace+"/"), "--namespace", namespace)
		kubectl(ctx, "rollout", "status", "deployment/"+app, "--namespace", namespace, "--timeout="+patience.String())
	}
}

// authority returns the certificate authority of ingest, as Posthorn publishes it.
func authority(ctx context.Context) string {
	GinkgoHelper()
	return kubectl(ctx, "get", "configmap", "posthorn-ca", "--namespace", system, `--output=jsonpath={.data.ca\.crt}`)
}

// produce sets the time between two events of the shop; 0 pauses.
func produce(ctx context.Context, every time.Duration) {
	GinkgoHelper()
	Eventually(func(ctx context.Context) error {
		return kube.tell(ctx, shop, "producer", "/control/interval", "every="+every.String(), "")
	}).WithContext(ctx).Should(Succeed())
}

// whatWasProduced asks the shop's producer.
func whatWasProduced(ctx context.Context) produced {
	GinkgoHelper()
	var told produced
	Eventually(func(ctx context.Context) error {
		told = produced{}
		return kube.ask(ctx, shop, "producer", "/produced", &told)
	}).WithContext(ctx).Should(Succeed())
	return told
}

// whatWasReceived asks a receiver.
func whatWasReceived(ctx context.Context, namespace, service string) received {
	GinkgoHelper()
	var told received
	Eventually(func(ctx context.Context) error {
		told = received{}
		return kube.ask(ctx, namespace, service, "/received", &told)
	}).WithContext(ctx).Should(Succeed())
	return told
}

// flow waits until so many more events are accepted than now.
func flow(ctx context.Context, more int) {
	GinkgoHelper()
	start := len(whatWasProduced(ctx).Accepted)
	Eventually(func(g Gomega, ctx context.Context) {
		var now produced
		g.Expect(kube.ask(ctx, shop, "producer", "/produced", &now)).To(Succeed())
		g.Expect(len(now.Accepted)).To(BeNumerically(">=", start+more), "last problem: %s", now.Problem)
	}).WithContext(ctx).Should(Succeed())
}

// balance is what was produced and received, once all of it is there.
type balance struct {
	accepted, resent, requests, duplicates int
}

func (b balance) String() string {
	return fmt.Sprintf("%d events accepted (%d posts repeated until answered), all of them received and verified, %d twice or more",
		b.accepted, b.resent, b.duplicates)
}

// minus is what happened after an earlier balance.
func (b balance) minus(earlier balance) balance {
	return balance{
		b.accepted - earlier.accepted, b.resent - earlier.resent,
		b.requests - earlier.requests, b.duplicates - earlier.duplicates,
	}
}

// settle pauses the producer, waits until every event that was posted is accepted and every accepted one is
// received, and returns the balance. Nothing may have been refused, and no event may have come with two ids.
func settle(ctx context.Context) balance {
	GinkgoHelper()
	produce(ctx, 0)
	var out produced
	Eventually(func(g Gomega, ctx context.Context) {
		out = produced{}
		g.Expect(kube.ask(ctx, shop, "producer", "/produced", &out)).To(Succeed())
		g.Expect(out.Pending).To(BeZero(), "last problem: %s", out.Problem)
	}).WithContext(ctx).Should(Succeed())

	var in received
	missing := func(ctx context.Context) ([]string, error) {
		in = received{}
		err := kube.ask(ctx, shop, "receiver", "/received", &in)
		return slices.DeleteFunc(slices.Clone(out.Accepted), func(id string) bool { return in.Events[id].Requests > 0 }), err
	}
	Eventually(missing).WithContext(ctx).Should(BeEmpty(), "events that were accepted and not received")

	Expect(in.Refused).To(BeZero(), "%v", in.Problems)
	total := balance{accepted: len(out.Accepted), resent: out.Resent, requests: in.Verified}
	for id, arrived := range in.Events {
		Expect(arrived.WebhookIDs).To(HaveLen(1), "ids of event %s", id)
		if arrived.Requests > 1 {
			total.duplicates++
		}
	}
	return total
}
