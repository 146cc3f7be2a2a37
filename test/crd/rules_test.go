// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package crd

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// leastRules is how many rules a kind has at least.
var leastRules = map[string]int{"WebhookEndpoint": 15, "WebhookSubscription": 15, "WebhookEventType": 3}

var _ = Describe("The rules of the schema", func() {
	for _, kind := range kinds {
		It("each have a case: "+kind, func() {
			seen := 0
			walk("", schemaOf(kind), func(path string, schema apiextensionsv1.JSONSchemaProps) {
				for _, rule := range schema.XValidations {
					seen++
					if strings.Contains(rule.Rule, "oldSelf") {
						continue // about an update, which a case is not: each has a spec of its own
					}
					Expect(rule.Message).NotTo(BeEmpty(), "rule at %s without a message: %s", path, rule.Rule)
					Expect(isRefusedSomewhere(kind, rule.Message)).To(BeTrue(), "no case refuses what breaks the rule at %s: %s", path, rule.Message)
				}
			})
			Expect(seen).To(BeNumerically(">=", leastRules[kind]))
		})
	}

	It("bound the name of an endpoint", func(ctx SpecContext) {
		spec := parse(`{url: "https://a.example.com"}`)
		Expect(k8s.Create(ctx, newObject("WebhookEndpoint", strings.Repeat("a", 245), spec), client.DryRunAll)).To(Succeed())
		err := k8s.Create(ctx, newObject("WebhookEndpoint", strings.Repeat("a", 246), spec), client.DryRunAll)
		expectRefusal(err, "<nil>", longNameMessage)
	})
})

// longNameMessage begins the message of the one rule that is not about the spec.
const longNameMessage = "metadata.name must have at most 245 characters"

func isRefusedSomewhere(kind, message string) bool {
	if strings.HasPrefix(message, longNameMessage) {
		return true
	}
	for _, tc := range casesByKind[kind] {
		if tc.field != "" && strings.HasPrefix(message, tc.message) {
			return true
		}
	}
	// Types that both kinds use need their cases but once.
	for _, cases := range casesByKind {
		for _, tc := range cases {
			if tc.field != "" && strings.HasPrefix(message, tc.message) && strings.HasPrefix(tc.message, "must be the name of") {
				return true
			}
		}
	}
	return false
}

// numbered makes a list in YAML of n items, in whose format %d is the number.
func numbered(format string, n int) string {
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(items, ", ")
}
