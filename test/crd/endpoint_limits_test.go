// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package crd

var _ = describeCases("WebhookEndpoint", "limits", map[string]specCase{
	"the shortest and the longest durations": {
		spec: `{url: "https://a.example.com", timeout: 1s, disableAfter: 1m, rateLimit: {requests: 1, per: 24h}, circuitBreaker: {openDuration: 1h, maxOpenDuration: 24h}}`,
	},
	"a duration of several units":        {spec: `{url: "https://a.example.com", timeout: 1s500ms, disableAfter: 1h30m}`},
	"a longer maxOpenDuration by itself": {spec: `{url: "https://a.example.com", circuitBreaker: {maxOpenDuration: 20m}}`},
	"a timeout of 60s":                   {spec: `{url: "https://a.example.com", timeout: 1m}`},

	"a timeout under 1s": {
		spec: `{url: "https://a.example.com", timeout: 999ms}`, field: "spec.timeout", message: "timeout must be a duration from 1s to 60s",
	},
	"a timeout above 60s": {
		spec: `{url: "https://a.example.com", timeout: 61s}`, field: "spec.timeout", message: "timeout must be a duration from 1s to 60s",
	},
	"a timeout without a unit": {
		spec: `{url: "https://a.example.com", timeout: "15"}`, field: "spec.timeout", message: "timeout must be a duration from 1s to 60s",
	},
	"a timeout with a fraction": {
		spec: `{url: "https://a.example.com", timeout: 1.5s}`, field: "spec.timeout", message: "timeout must be a duration from 1s to 60s",
	},
	"an empty timeout": {
		spec: `{url: "https://a.example.com", timeout: ""}`, field: "spec.timeout", message: "timeout must be a duration from 1s to 60s",
	},
	"disableAfter under a minute": {
		spec: `{url: "https://a.example.com", disableAfter: 30s}`, field: "spec.disableAfter", message: "disableAfter must be a duration from 1m to 8760h",
	},
	"disableAfter above a year": {
		spec: `{url: "https://a.example.com", disableAfter: 8761h}`, field: "spec.disableAfter", message: "disableAfter must be a duration from 1m to 8760h",
	},
	"a rate per less than a second": {
		spec:  `{url: "https://a.example.com", rateLimit: {requests: 1, per: 100ms}}`,
		field: "spec.rateLimit.per", message: "per must be a duration from 1s to 24h",
	},
	"a rate per more than a day": {
		spec:  `{url: "https://a.example.com", rateLimit: {requests: 1, per: 25h}}`,
		field: "spec.rateLimit.per", message: "per must be a duration from 1s to 24h",
	},
	"openDuration under 1s": {
		spec:  `{url: "https://a.example.com", circuitBreaker: {openDuration: 500ms}}`,
		field: "spec.circuitBreaker.openDuration", message: "openDuration must be a duration from 1s to 1h",
	},
	"openDuration above 1h": {
		spec:  `{url: "https://a.example.com", circuitBreaker: {openDuration: 61m}}`,
		field: "spec.circuitBreaker.openDuration", message: "openDuration must be a duration from 1s to 1h",
	},
	"maxOpenDuration above a day": {
		spec:  `{url: "https://a.example.com", circuitBreaker: {maxOpenDuration: 25h}}`,
		field: "spec.circuitBreaker.maxOpenDuration", message: "maxOpenDuration must be a duration from 1s to 24h",
	},
	"maxOpenDuration under openDuration": {
		spec:  `{url: "https://a.example.com", circuitBreaker: {openDuration: 60s, maxOpenDuration: 59s}}`,
		field: "spec.circuitBreaker", message: "maxOpenDuration must not be shorter than openDuration",
	},
})

var _ = describeCases("WebhookEndpoint", "allowSubscriptions", map[string]specCase{
	"this namespace":  {spec: `{url: "https://a.example.com", allowSubscriptions: {from: Same}}`},
	"every namespace": {spec: `{url: "https://a.example.com", allowSubscriptions: {from: All}}`},
	"namespaces by label": {
		spec: `{url: "https://a.example.com", allowSubscriptions: {from: Selector, selector: {matchLabels: {team: a}, matchExpressions: [{key: env, operator: In, values: [prod]}, {key: x, operator: Exists}]}}}`,
	},

	"Selector without selector": {
		spec:  `{url: "https://a.example.com", allowSubscriptions: {from: Selector}}`,
		field: "spec.allowSubscriptions", message: "selector must be set when from is Selector",
	},
	"a selector without from": {
		spec:  `{url: "https://a.example.com", allowSubscriptions: {selector: {matchLabels: {team: a}}}}`,
		field: "spec.allowSubscriptions", message: "selector must be set when from is Selector",
	},
	"an unknown operator": {
		spec:  `{url: "https://a.example.com", allowSubscriptions: {from: Selector, selector: {matchExpressions: [{key: env, operator: Equals, values: [a]}]}}}`,
		field: "spec.allowSubscriptions.selector", message: "selector.matchExpressions must have the operator",
	},
	"In without values": {
		spec:  `{url: "https://a.example.com", allowSubscriptions: {from: Selector, selector: {matchExpressions: [{key: env, operator: In}]}}}`,
		field: "spec.allowSubscriptions.selector", message: "selector.matchExpressions must have values",
	},
	"Exists with values": {
		spec:  `{url: "https://a.example.com", allowSubscriptions: {from: Selector, selector: {matchExpressions: [{key: env, operator: Exists, values: [a]}]}}}`,
		field: "spec.allowSubscriptions.selector", message: "selector.matchExpressions must have values",
	},
	"33 labels": {
		spec:  `{url: "https://a.example.com", allowSubscriptions: {from: Selector, selector: {matchLabels: {` + numbered("l%d: a", 33) + `}}}}`,
		field: "spec.allowSubscriptions.selector", message: "selector.matchLabels must have at most 32 entries",
	},
	"33 expressions": {
		spec:  `{url: "https://a.example.com", allowSubscriptions: {from: Selector, selector: {matchExpressions: [` + numbered("{key: l%d, operator: Exists}", 33) + `]}}}`,
		field: "spec.allowSubscriptions.selector", message: "selector.matchExpressions must have at most 32 items",
	},
})
