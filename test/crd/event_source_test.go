// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package crd

var _ = describeCases("WebhookEventSource", "resources", map[string]specCase{
	"built-in kinds and those of others": {spec: `{serviceAccountName: a, resources: [{apiVersion: apps/v1, kind: Deployment}, {apiVersion: v1, kind: Pod}, {apiVersion: cert-manager.io/v1, kind: Certificate}, {apiVersion: example.com/v1alpha1, kind: Deployment}]}`},
	"selectors":                          {spec: `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod, selector: {matchLabels: {app: web, tier: ""}, matchExpressions: [{key: example.com/team, operator: In, values: [a]}, {key: old, operator: DoesNotExist}]}, fieldSelector: "status.phase=Failed,metadata.name!=x"}]}`},
	"an empty selector":                  {spec: `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod, selector: {}}]}`},

	"a group without version": {
		spec:  `{serviceAccountName: a, resources: [{apiVersion: apps, kind: Deployment}]}`,
		field: "spec.resources[0].apiVersion", message: "apiVersion must be group and version",
	},
	"a resource in place of a kind": {
		spec:  `{serviceAccountName: a, resources: [{apiVersion: apps/v1, kind: deployments}]}`,
		field: "spec.resources[0].kind", message: "kind must be the kind as manifests have it",
	},
	"a kind in two versions": {
		spec:  `{serviceAccountName: a, resources: [{apiVersion: apps/v1, kind: Deployment}, {apiVersion: apps/v1beta1, kind: Deployment}]}`,
		field: "spec.resources", message: "resources must name each kind of a group once",
	},
	"the older form of Events": {
		spec:  `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Event}]}`,
		field: "spec.resources[0]", message: "apiVersion must be events.k8s.io/v1",
	},
	"a kind of Posthorn's": {
		spec:  `{serviceAccountName: a, resources: [{apiVersion: posthorn.dev/v1alpha1, kind: WebhookEndpoint}]}`,
		field: "spec.resources[0]", message: "apiVersion must not be of posthorn.dev",
	},
	"a field selector without a value": {
		spec:  `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod, fieldSelector: status.phase}]}`,
		field: "spec.resources[0].fieldSelector", message: "fieldSelector must be field=value",
	},
	"a key that is no label's": {
		spec:  `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod, selector: {matchExpressions: [{key: "a b", operator: Exists}]}}]}`,
		field: "spec.resources[0].selector.matchExpressions[0].key", message: "key must be the key of a label",
	},
	"In without values": {
		spec:  `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod, selector: {matchExpressions: [{key: a, operator: In}]}}]}`,
		field: "spec.resources[0].selector.matchExpressions[0]", message: "values must be set for the operators In and NotIn",
	},
	"Exists with values": {
		spec:  `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod, selector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}]}`,
		field: "spec.resources[0].selector.matchExpressions[0]", message: "values must be set for the operators In and NotIn",
	},
	"a ServiceAccount named in capitals": {
		spec:  `{serviceAccountName: Reader, resources: [{apiVersion: v1, kind: Pod}]}`,
		field: "spec.serviceAccountName", message: "must be the name of an object",
	},
})

var _ = describeCases("WebhookEventSource", "namespaces", map[string]specCase{
	"every namespace":      {spec: `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod}], namespaces: {from: All}}`},
	"those of a selector":  {spec: `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod}], namespaces: {from: Selector, selector: {matchLabels: {team: a}}}}`},
	"an empty choice":      {spec: `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod}], namespaces: {}}`},
	"Selector without one": {spec: `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod}], namespaces: {from: Selector}}`, field: "spec.namespaces", message: "selector must be set when from is Selector"},
	"a selector of All":    {spec: `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod}], namespaces: {from: All, selector: {}}}`, field: "spec.namespaces", message: "selector must be set when from is Selector"},
})

var _ = describeCases("WebhookEventSource", "when", map[string]specCase{
	"every match":               {spec: `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod}], when: {expression: "true"}}`},
	"a transition at once":      {spec: `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod}], when: {expression: "true", emit: OnTransition}}`},
	"both ways after a while":   {spec: `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod}], when: {expression: "true", emit: Both, for: 2m}}`},
	"the shortest and longest":  {spec: `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod}], when: {expression: "true", emit: OnTransition, for: 168h}}`},
	"for of every match":        {spec: `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod}], when: {expression: "true", for: 2m}}`, field: "spec.when", message: "for must go with emit OnTransition or Both"},
	"for under a second":        {spec: `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod}], when: {expression: "true", emit: Both, for: 999ms}}`, field: "spec.when.for", message: "for must be a duration from 1s to 168h"},
	"for of more than a week":   {spec: `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod}], when: {expression: "true", emit: Both, for: 169h}}`, field: "spec.when.for", message: "for must be a duration from 1s to 168h"},
	"for in another notation":   {spec: `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod}], when: {expression: "true", emit: Both, for: 1d}}`, field: "spec.when.for", message: "for must be a duration from 1s to 168h"},
	"operations, some of three": {spec: `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod}], operations: [Deleted, Created]}`},
})

var _ = describeCases("WebhookEventSource", "data", map[string]specCase{
	"whole objects without some of it": {spec: `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod}], data: {form: Object, redact: [/spec/containers/*/env, /metadata/annotations/example.com~1token, /metadata/names]}}`},

	"a path with dots": {
		spec:  `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod}], data: {redact: [spec.containers]}}`,
		field: "spec.data.redact[0]", message: "must be a JSON Pointer",
	},
	"an empty part": {
		spec:  `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod}], data: {redact: [/spec//env]}}`,
		field: "spec.data.redact[0]", message: "must be a JSON Pointer",
	},
	"a tilde that stands for nothing": {
		spec:  `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod}], data: {redact: ["/spec/a~2b"]}}`,
		field: "spec.data.redact[0]", message: "must be a JSON Pointer",
	},
	"the object's name": {
		spec:  `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod}], data: {redact: [/spec, /metadata/name]}}`,
		field: "spec.data.redact[1]", message: "must not name what tells which object it is",
	},
	"everything": {
		spec:  `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod}], data: {redact: ["/*"]}}`,
		field: "spec.data.redact[0]", message: "must not name what tells which object it is",
	},
})

var _ = describeCases("WebhookEventSource", "Kubernetes Events", map[string]specCase{
	"those of a kind and a reason": {spec: `{serviceAccountName: a, resources: [{apiVersion: events.k8s.io/v1, kind: Event}], kubernetesEvents: {series: Finished, types: [Warning], reasons: [BackOff], regardingKinds: [Pod]}}`},
	"all of them":                  {spec: `{serviceAccountName: a, resources: [{apiVersion: events.k8s.io/v1, kind: Event}]}`},

	"those of which an expression holds": {spec: `{serviceAccountName: a, resources: [{apiVersion: events.k8s.io/v1, kind: Event}], when: {expression: "true"}, kubernetesEvents: {series: Finished}}`},
	"an edge of another kind Event":      {spec: `{serviceAccountName: a, resources: [{apiVersion: example.com/v1, kind: Event}], when: {expression: "true", emit: Both, for: 2m}}`},

	"a transition": {
		spec:  `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod}, {apiVersion: events.k8s.io/v1, kind: Event}], when: {expression: "true", emit: OnTransition}}`,
		field: "spec", message: "when.emit must be EveryMatch, and when.for absent, where resources has the kind Event",
	},
	"both ways after a while": {
		spec:  `{serviceAccountName: a, resources: [{apiVersion: events.k8s.io/v1, kind: Event}], when: {expression: "true", emit: Both, for: 2m}}`,
		field: "spec", message: "when.emit must be EveryMatch",
	},
	"a choice where none are watched": {
		spec:  `{serviceAccountName: a, resources: [{apiVersion: v1, kind: Pod}], kubernetesEvents: {series: First}}`,
		field: "spec", message: "kubernetesEvents speaks of Kubernetes Events",
	},
	"a resource in place of a kind": {
		spec:  `{serviceAccountName: a, resources: [{apiVersion: events.k8s.io/v1, kind: Event}], kubernetesEvents: {regardingKinds: [pods]}}`,
		field: "spec.kubernetesEvents.regardingKinds[0]", message: "must be the kind as manifests have it",
	},
})
