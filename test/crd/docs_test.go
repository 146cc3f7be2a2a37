// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package crd

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// specPages are the pages of the kinds, as seen from this package.
var specPages = map[string]string{
	"WebhookEndpoint":     "../../docs/spec/webhookendpoints.md",
	"WebhookSubscription": "../../docs/spec/webhooksubscriptions.md",
	"WebhookEventType":    "../../docs/spec/webhookeventtypes.md",
	"WebhookEventSource":  "../../docs/spec/webhookeventsources.md",
}

// yamlBlock is a manifest, or a part of one that begins with spec.
var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

var _ = Describe("The spec pages", func() {
	for _, kind := range kinds {
		It("have examples that are accepted: "+kind, func(ctx SpecContext) {
			blocks := yamlBlock.FindAllStringSubmatch(page(kind), -1)
			Expect(blocks).NotTo(BeEmpty())
			for _, block := range blocks {
				spec := completed(kind, parse(block[1])["spec"].(map[string]any))
				Expect(k8s.Create(ctx, newObject(kind, "example", spec), client.DryRunAll)).To(Succeed(), block[1])
			}
		})

		It("speak of every selectable field: "+kind, func() {
			for _, field := range definition(kind).Spec.Versions[0].SelectableFields {
				Expect(page(kind)).To(ContainSubstring("`" + strings.TrimPrefix(field.JSONPath, ".") + "`"))
			}
		})

		It("speak of every field of spec and status: "+kind, func() {
			root := schemaOf(kind)
			for _, part := range []string{"spec", "status"} {
				for name := range maps.Keys(root.Properties[part].Properties) {
					if name == "conditions" {
						continue // a chapter of its own
					}
					Expect(page(kind)).To(ContainSubstring("." + part + "." + name))
				}
			}
		})
	}

	It("speak of every condition and reason", func() {
		source, err := os.ReadFile(filepath.Join("../../api", hookv1.GroupVersion.Version, "conditions.go"))
		Expect(err).NotTo(HaveOccurred())
		names := regexp.MustCompile(`(?m)^\t(?:Condition|Reason)\w+ += "(\w+)"`).FindAllStringSubmatch(string(source), -1)
		Expect(len(names)).To(BeNumerically(">", 50))
		all := page("WebhookEndpoint") + page("WebhookSubscription") + page("WebhookEventSource") + page("WebhookEventType")
		for _, name := range names {
			Expect(all).To(ContainSubstring("`" + name[1] + "`"))
		}
	})
})

func page(kind string) string {
	GinkgoHelper()
	content, err := os.ReadFile(specPages[kind])
	Expect(err).NotTo(HaveOccurred())
	return string(content)
}

// completed adds what an example leaves out because its chapter is about something else.
func completed(kind string, spec map[string]any) map[string]any {
	add := func(name string, value any) {
		if _, ok := spec[name]; !ok {
			spec[name] = value
		}
	}
	switch kind {
	case "WebhookEndpoint":
		_, secret := spec["urlFrom"]
		if _, service := spec["serviceRef"]; !secret && !service {
			add("url", "https://billing.example.com")
		}
	case "WebhookSubscription":
		add("endpointRef", map[string]any{"name": "billing"})
		add("eventTypes", []any{"*"})
	case "WebhookEventType":
		add("type", "com.example.order.created")
	case "WebhookEventSource":
		add("serviceAccountName", "events-reader")
		add("resources", []any{map[string]any{"apiVersion": "apps/v1", "kind": "Deployment"}})
	}
	return spec
}
