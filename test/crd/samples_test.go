// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package crd

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
)

// commandTimeout bounds specs that make many requests or run kubectl many times.
const commandTimeout = 2 * time.Minute

var _ = Describe("The samples", Ordered, func() {
	var own string

	BeforeAll(func(ctx SpecContext) {
		own = newNamespace(ctx)
	})

	It("are applied", func(ctx SpecContext) {
		Expect(kubectl(ctx, "apply", "-n", own, "-k", samplesDir)).NotTo(BeEmpty())
	}, NodeTimeout(commandTimeout))

	It("do not change when they are applied again", func(ctx SpecContext) {
		before := versions(ctx, own)
		output := kubectl(ctx, "apply", "-n", own, "-k", samplesDir)
		Expect(output).NotTo(Or(ContainSubstring("configured"), ContainSubstring("created")))
		Expect(versions(ctx, own)).To(Equal(before))
	}, NodeTimeout(commandTimeout))

	It("have no diff once they are applied", func(ctx SpecContext) {
		Expect(kubectl(ctx, "diff", "-n", own, "-k", samplesDir)).To(BeEmpty())
	}, NodeTimeout(commandTimeout))

	It("do not conflict with themselves when two managers apply them on the server", func(ctx SpecContext) {
		for _, manager := range []string{"first", "second"} {
			kubectl(ctx, "apply", "-n", own, "--server-side", "--field-manager", manager, "-k", samplesDir)
		}
		before := versions(ctx, own)
		for _, manager := range []string{"first", "second"} {
			kubectl(ctx, "apply", "-n", own, "--server-side", "--field-manager", manager, "-k", samplesDir)
		}
		Expect(versions(ctx, own)).To(Equal(before))
	}, NodeTimeout(commandTimeout))

	It("hold one minimal and one full object of each kind", func() {
		var names []string
		files, err := filepath.Glob(filepath.Join(samplesDir, "*_*.yaml"))
		Expect(err).NotTo(HaveOccurred())
		for _, file := range files {
			names = append(names, filepath.Base(file))
		}
		Expect(names).To(ConsistOf(
			"webhookendpoint_minimal.yaml", "webhookendpoint_full.yaml",
			"webhooksubscription_minimal.yaml", "webhooksubscription_full.yaml",
			"webhookeventtype_minimal.yaml", "webhookeventtype_full.yaml",
			"webhookeventsource_minimal.yaml", "webhookeventsource_full.yaml",
		))
	})

	It("are all listed in the kustomization", func() {
		content, err := os.ReadFile(filepath.Join(samplesDir, "kustomization.yaml"))
		Expect(err).NotTo(HaveOccurred())
		var kustomization struct{ Resources []string }
		Expect(yaml.Unmarshal(content, &kustomization)).To(Succeed())
		files, err := filepath.Glob(filepath.Join(samplesDir, "*.yaml"))
		Expect(err).NotTo(HaveOccurred())
		for _, file := range files {
			if name := filepath.Base(file); name != "kustomization.yaml" {
				Expect(slices.Contains(kustomization.Resources, name)).To(BeTrue(), name)
			}
		}
	})

	It("compile", func(ctx SpecContext) {
		var list hookv1.WebhookSubscriptionList
		Expect(k8s.List(ctx, &list, inNamespace(own))).To(Succeed())
		Expect(list.Items).NotTo(BeEmpty())
		for i := range list.Items {
			_, err := compile.Subscription(&list.Items[i], compile.BuiltinDefaults())
			Expect(err).NotTo(HaveOccurred(), list.Items[i].Name)
		}
		var types hookv1.WebhookEventTypeList
		Expect(k8s.List(ctx, &types, inNamespace(own))).To(Succeed())
		Expect(types.Items).NotTo(BeEmpty())
		for i := range types.Items {
			_, err := compile.EventType(&types.Items[i])
			Expect(err).NotTo(HaveOccurred(), types.Items[i].Name)
		}
		var sources hookv1.WebhookEventSourceList
		Expect(k8s.List(ctx, &sources, inNamespace(own))).To(Succeed())
		Expect(sources.Items).NotTo(BeEmpty())
		for i := range sources.Items {
			_, err := compile.Source(&sources.Items[i])
			Expect(err).NotTo(HaveOccurred(), sources.Items[i].Name)
		}
	})
})

// kubectl runs kubectl as the administrator and returns what it printed. It must succeed.
func kubectl(ctx context.Context, args ...string) string {
	GinkgoHelper()
	output, err := runKubectl(ctx, args...)
	Expect(err).NotTo(HaveOccurred(), "kubectl %v: %s", args, output)
	return output
}

// runKubectl runs kubectl as the administrator, without the settings of whoever runs the tests.
func runKubectl(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, cluster.Kubectl(), append([]string{"--kubeconfig", cluster.Kubeconfig()}, args...)...)
	cmd.Env = append(os.Environ(), "KUBERC=off", "HOME="+cluster.Dir())
	output, err := cmd.CombinedOutput()
	return string(output), err
}

// versions returns the resource version of each object of our kinds in the namespace.
func versions(ctx context.Context, own string) map[string]string {
	GinkgoHelper()
	found := map[string]string{}
	var endpoints hookv1.WebhookEndpointList
	Expect(k8s.List(ctx, &endpoints, inNamespace(own))).To(Succeed())
	for _, e := range endpoints.Items {
		found["endpoint "+e.Name] = e.ResourceVersion
	}
	var subscriptions hookv1.WebhookSubscriptionList
	Expect(k8s.List(ctx, &subscriptions, inNamespace(own))).To(Succeed())
	for _, s := range subscriptions.Items {
		found["subscription "+s.Name] = s.ResourceVersion
	}
	var types hookv1.WebhookEventTypeList
	Expect(k8s.List(ctx, &types, inNamespace(own))).To(Succeed())
	for _, t := range types.Items {
		found["event type "+t.Name] = t.ResourceVersion
	}
	var sources hookv1.WebhookEventSourceList
	Expect(k8s.List(ctx, &sources, inNamespace(own))).To(Succeed())
	for _, s := range sources.Items {
		found["event source "+s.Name] = s.ResourceVersion
	}
	Expect(found).NotTo(BeEmpty())
	return found
}
