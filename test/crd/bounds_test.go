// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package crd

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// valid holds specs that are accepted and together have every field, so that one field at a time can
// be driven out of its bounds. A list has one item.
var valid = map[string][]string{
	"WebhookEndpoint": {
		`
url: https://billing.example.com/hooks
signing: {scheme: StandardWebhooks, rotation: {interval: 2160h, overlap: 24h}, deletionPolicy: Retain, headers: {prefix: svix-}}
headers: [{name: X-Env, value: prod}]
authentication: {type: OAuth2ClientCredentials, oauth2ClientCredentials: {tokenURL: "https://id.example.com", clientID: a, clientSecretRef: {name: b, key: c}, scopes: [d], audience: e}}
tls: {caRef: {kind: Secret, name: ca, key: ca.crt}, clientCertificateRef: {name: cert}, serverName: a.example.com}
timeout: 15s
concurrency: 16
rateLimit: {requests: 100, per: 1s}
circuitBreaker: {failureThreshold: 5, openDuration: 30s, maxOpenDuration: 10m, probes: 2, scope: Endpoint}
disableAfter: 120h
suspend: true
allowSubscriptions: {from: Selector, selector: {matchLabels: {team: a}, matchExpressions: [{key: env, operator: In, values: [prod]}]}}`,
		`
urlFrom: {secretKeyRef: {name: a, key: b}}
signing: {scheme: HMACHex, headers: {id: X-A, timestamp: X-B, signature: X-C, valuePrefix: v1=}}
headers: [{name: X-Env, valueFrom: {secretKeyRef: {name: a, key: b}}}]
authentication: {type: Basic, basic: {secretRef: {name: a}}}`,
		`
serviceRef: {name: a, port: 80, path: /hooks, scheme: http}
signing: {secretRef: {name: a, key: b}}
authentication: {type: Bearer, bearer: {secretRef: {name: a, key: b}}}`,
	},
	"WebhookSubscription": {
		`
endpointRef: {name: a, namespace: b}
eventTypes: [com.example.*]
sources: [/a]
filter: "true"
payload: {format: Data, transform: "1"}
retry: {type: Schedule, schedule: {delays: [5s], jitterPercent: 20}, giveUpOn: [413], maxAge: 72h}
deadLetter: {endpointRef: {name: c, namespace: d}}
suspend: true`,
		`
endpointRef: {name: a}
eventTypes: [com.example.*]
retry: {type: Exponential, exponential: {initial: 5s, max: 1h, multiplier: 2, attempts: 10, jitterPercent: 20}}`,
	},
	"WebhookEventType": {
		`
type: com.example.order.created
description: An order was created.
schema: {type: object}
enforcement: Warn
examples: [{total: 1}]`,
	},
	"WebhookEventSource": {
		`
serviceAccountName: reader
resources:
- {apiVersion: events.k8s.io/v1, kind: Event, fieldSelector: type=Warning, selector: {matchLabels: {app: a}, matchExpressions: [{key: env, operator: In, values: [prod]}]}}
namespaces: {from: Selector, selector: {matchLabels: {team: a}, matchExpressions: [{key: env, operator: In, values: [prod]}]}}
operations: [Created, Updated, Deleted]
when: {expression: "true"}
data: {form: Patch, redact: [/spec]}
kubernetesEvents: {series: First, types: [Warning], reasons: [BackOff], regardingKinds: [Pod]}
initialObjects: Emit
suspend: true`,
		`
serviceAccountName: reader
resources: [{apiVersion: v1, kind: Pod}]
when: {expression: "true", emit: Both, for: 5m}`,
	},
}

// breach is a value out of the bounds that a schema sets.
type breach struct {
	// name of the bound.
	name string
	// change makes the value of the field one that breaks the bound.
	change func(value any) any
	// field is what the refusal names, relative to the field.
	field string
}

var _ = Describe("The bounds of the schema", func() {
	for _, kind := range kinds {
		It("each refuse what is outside: "+kind, func(ctx SpecContext) {
			missing := map[string]bool{}
			walk("spec", schemaOf(kind).Properties["spec"], func(path string, schema apiextensionsv1.JSONSchemaProps) {
				for _, b := range breaches(schema) {
					missing[path+" "+b.name] = true
				}
			})
			Expect(missing).NotTo(BeEmpty())
			for _, text := range valid[kind] {
				spec := parse(text)
				Expect(k8s.Create(ctx, newObject(kind, "valid", spec), client.DryRunAll)).To(Succeed())
				walk("spec", schemaOf(kind).Properties["spec"], func(path string, schema apiextensionsv1.JSONSchemaProps) {
					for _, b := range breaches(schema) {
						if missing[path+" "+b.name] && refusesBreach(ctx, kind, spec, path, b) {
							delete(missing, path+" "+b.name)
						}
					}
				})
			}
			Expect(slices.Sorted(maps.Keys(missing))).To(BeEmpty(), "bounds that no valid spec reaches")
		}, NodeTimeout(commandTimeout))

		It("are on every string, list and number: "+kind, func() {
			walk("", schemaOf(kind), func(path string, schema apiextensionsv1.JSONSchemaProps) {
				if strings.Contains(path, "onditions[0]") || strings.Contains(path, "selector") || !strings.HasPrefix(path, "s") {
					return // metav1's own types; what stands beside spec and status
				}
				switch {
				case schema.Type == "string" && schema.Format == "" && len(schema.Enum) == 0:
					Expect(schema.MaxLength).NotTo(BeNil(), "%s has no maxLength", path)
				case schema.Type == "array":
					Expect(schema.MaxItems).NotTo(BeNil(), "%s has no maxItems", path)
				case schema.Type == "integer" && strings.HasPrefix(path, "spec"):
					Expect(schema.Minimum).NotTo(BeNil(), "%s has no minimum", path)
					Expect(schema.Maximum).NotTo(BeNil(), "%s has no maximum", path)
				}
			})
		})
	}
})

// refusesBreach breaks one bound in a copy of the spec, and reports whether the spec has the field.
func refusesBreach(ctx context.Context, kind string, spec map[string]any, path string, b breach) bool {
	GinkgoHelper()
	object := map[string]any{"spec": runtime.DeepCopyJSON(spec)}
	if !change(object, strings.Split(path, "."), b.change) {
		return false
	}
	err := k8s.Create(ctx, newObject(kind, "breach", object["spec"].(map[string]any)), client.DryRunAll)
	Expect(err).To(HaveOccurred(), "%s breaks %s and was accepted", path, b.name)
	want := path + b.field
	Expect(slices.ContainsFunc(causes(err), func(c metav1.StatusCause) bool { return c.Field == want })).
		To(BeTrue(), "%s breaks %s, and no cause names %s: %v", path, b.name, want, err)
	return true
}

// change replaces the value at a path, and reports whether there is one.
func change(object map[string]any, path []string, replace func(any) any) bool {
	name, isItem := strings.CutSuffix(path[0], "[0]")
	value, found := object[name]
	if !found {
		return false
	}
	list, _ := value.([]any)
	if isItem {
		value = list[0]
	}
	if len(path) > 1 {
		child, ok := value.(map[string]any)
		return ok && change(child, path[1:], replace)
	}
	if isItem {
		list[0] = replace(value)
	} else {
		object[name] = replace(value)
	}
	return true
}

// breaches returns one value out of each bound of the schema.
func breaches(schema apiextensionsv1.JSONSchemaProps) []breach {
	var list []breach
	add := func(name, field string, change func(any) any) {
		list = append(list, breach{name: name, field: field, change: change})
	}
	always := func(value any) func(any) any { return func(any) any { return value } }

	if schema.Minimum != nil {
		add("minimum", "", always(int64(*schema.Minimum)-1))
	}
	if schema.Maximum != nil {
		add("maximum", "", always(int64(*schema.Maximum)+1))
	}
	if schema.MinLength != nil {
		add("minLength", "", always(""))
	}
	if schema.MaxLength != nil {
		add("maxLength", "", always(strings.Repeat("a", int(*schema.MaxLength)+1)))
	}
	if schema.Pattern != "" {
		add("pattern", "", always("not like that"))
	}
	if len(schema.Enum) > 0 {
		add("enum", "", always("Bogus"))
	}
	if schema.MinItems != nil {
		add("minItems", "", always([]any{}))
	}
	if schema.MaxItems != nil {
		add("maxItems", "", func(value any) any {
			return slices.Repeat(value.([]any), int(*schema.MaxItems)+1)
		})
	}
	if schema.MinProperties != nil {
		add("minProperties", "", always(map[string]any{}))
	}
	for _, name := range schema.Required {
		add("required "+name, fmt.Sprintf(".%s", name), func(value any) any {
			delete(value.(map[string]any), name)
			return value
		})
	}
	return list
}
