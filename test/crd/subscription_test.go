// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package crd

var _ = describeCases("WebhookSubscription", "matching", map[string]specCase{
	"exact types, prefixes and sources": {
		spec: `{endpointRef: {name: billing}, eventTypes: [com.example.order.created, com.example.*, com.github.pull_request.opened], sources: [/shop, "https://shop.example.com/*"]}`,
	},
	"every type":                       {spec: `{endpointRef: {name: billing}, eventTypes: ["*"]}`},
	"no sources":                       {spec: `{endpointRef: {name: billing}, eventTypes: ["*"], sources: []}`},
	"every source":                     {spec: `{endpointRef: {name: billing}, eventTypes: ["*"], sources: ["*"]}`},
	"an endpoint of another namespace": {spec: `{endpointRef: {name: billing, namespace: team-b}, eventTypes: ["*"]}`},

	"a star within a type": {
		spec:  `{endpointRef: {name: billing}, eventTypes: [com.*.created]}`,
		field: "spec.eventTypes[0]", message: "must be an exact event type",
	},
	"a star that does not follow a dot": {
		spec:  `{endpointRef: {name: billing}, eventTypes: ["*", com.exa*]}`,
		field: "spec.eventTypes[1]", message: "must be an exact event type",
	},
	"a dot and a star alone": {
		spec:  `{endpointRef: {name: billing}, eventTypes: [".*"]}`,
		field: "spec.eventTypes[0]", message: "must be an exact event type",
	},
	"two types in one": {
		spec:  `{endpointRef: {name: billing}, eventTypes: ["com.example.a, com.example.b"]}`,
		field: "spec.eventTypes[0]", message: "must be an exact event type",
	},
	"a source with a space": {
		spec:  `{endpointRef: {name: billing}, eventTypes: ["*"], sources: ["/a /b"]}`,
		field: "spec.sources[0]", message: "must be a source",
	},
	"a star within a source": {
		spec:  `{endpointRef: {name: billing}, eventTypes: ["*"], sources: ["/*/orders"]}`,
		field: "spec.sources[0]", message: "must be a source",
	},
	"an endpoint named in capitals": {
		spec:  `{endpointRef: {name: Billing}, eventTypes: ["*"]}`,
		field: "spec.endpointRef.name", message: "must be the name of an object",
	},
	"a namespace with a dot": {
		spec:  `{endpointRef: {name: billing, namespace: team.b}, eventTypes: ["*"]}`,
		field: "spec.endpointRef.namespace", message: "must be the name of a namespace",
	},
})

var _ = describeCases("WebhookSubscription", "dead letter", map[string]specCase{
	"another endpoint":                       {spec: `{endpointRef: {name: billing}, eventTypes: ["*"], deadLetter: {endpointRef: {name: dlq}}}`},
	"the same name in another namespace":     {spec: `{endpointRef: {name: billing}, eventTypes: ["*"], deadLetter: {endpointRef: {name: billing, namespace: team-b}}}`},
	"the same name in the own namespace":     {spec: `{endpointRef: {name: billing, namespace: team-b}, eventTypes: ["*"], deadLetter: {endpointRef: {name: billing}}}`},
	"the same endpoint":                      {spec: `{endpointRef: {name: billing}, eventTypes: ["*"], deadLetter: {endpointRef: {name: billing}}}`, field: "spec", message: "deadLetter.endpointRef must name another endpoint"},
	"the same endpoint of another namespace": {spec: `{endpointRef: {name: billing, namespace: b}, eventTypes: ["*"], deadLetter: {endpointRef: {name: billing, namespace: b}}}`, field: "spec", message: "deadLetter.endpointRef must name another endpoint"},
})

var _ = describeCases("WebhookSubscription", "retry", map[string]specCase{
	"a schedule":                     {spec: `{endpointRef: {name: billing}, eventTypes: ["*"], retry: {type: Schedule, schedule: {delays: [100ms, 5s, 168h], jitterPercent: 0}}}`},
	"exponential delays":             {spec: `{endpointRef: {name: billing}, eventTypes: ["*"], retry: {type: Exponential, exponential: {initial: 5s, max: 5s, multiplier: 3, attempts: 10, jitterPercent: 100}}}`},
	"the platform's schedule":        {spec: `{endpointRef: {name: billing}, eventTypes: ["*"], retry: {giveUpOn: [100, 199, 300, 413, 599], maxAge: 720h}}`},
	"the same delay more than once":  {spec: `{endpointRef: {name: billing}, eventTypes: ["*"], retry: {type: Schedule, schedule: {delays: [5s, 5s, 5s]}}}`},
	"a maxAge of a minute by itself": {spec: `{endpointRef: {name: billing}, eventTypes: ["*"], retry: {maxAge: 1m}}`},

	"Schedule without schedule": {
		spec:  `{endpointRef: {name: billing}, eventTypes: ["*"], retry: {type: Schedule}}`,
		field: "spec.retry", message: "schedule must be set when type is Schedule",
	},
	"a schedule without type": {
		spec:  `{endpointRef: {name: billing}, eventTypes: ["*"], retry: {schedule: {delays: [5s]}}}`,
		field: "spec.retry", message: "schedule must be set when type is Schedule",
	},
	"Exponential without exponential": {
		spec:  `{endpointRef: {name: billing}, eventTypes: ["*"], retry: {type: Exponential}}`,
		field: "spec.retry", message: "exponential must be set when type is Exponential",
	},
	"both members": {
		spec:  `{endpointRef: {name: billing}, eventTypes: ["*"], retry: {type: Schedule, schedule: {delays: [5s]}, exponential: {initial: 1s, max: 2s, attempts: 3}}}`,
		field: "spec.retry", message: "exponential must be set when type is Exponential",
	},
	"a delay under 100ms": {
		spec:  `{endpointRef: {name: billing}, eventTypes: ["*"], retry: {type: Schedule, schedule: {delays: [5s, 99ms]}}}`,
		field: "spec.retry.schedule.delays[1]", message: "must be a duration from 100ms to 168h",
	},
	"a delay above a week": {
		spec:  `{endpointRef: {name: billing}, eventTypes: ["*"], retry: {type: Schedule, schedule: {delays: [169h]}}}`,
		field: "spec.retry.schedule.delays[0]", message: "must be a duration from 100ms to 168h",
	},
	"a delay in days": {
		spec:  `{endpointRef: {name: billing}, eventTypes: ["*"], retry: {type: Schedule, schedule: {delays: [1d]}}}`,
		field: "spec.retry.schedule.delays[0]", message: "must be a duration from 100ms to 168h",
	},
	"an initial delay under 100ms": {
		spec:  `{endpointRef: {name: billing}, eventTypes: ["*"], retry: {type: Exponential, exponential: {initial: 1ms, max: 1h, attempts: 5}}}`,
		field: "spec.retry.exponential.initial", message: "initial must be a duration from 100ms to 168h",
	},
	"a longest delay above a week": {
		spec:  `{endpointRef: {name: billing}, eventTypes: ["*"], retry: {type: Exponential, exponential: {initial: 1s, max: 169h, attempts: 5}}}`,
		field: "spec.retry.exponential.max", message: "max must be a duration from 100ms to 168h",
	},
	"a longest delay under the initial one": {
		spec:  `{endpointRef: {name: billing}, eventTypes: ["*"], retry: {type: Exponential, exponential: {initial: 2s, max: 1s, attempts: 5}}}`,
		field: "spec.retry.exponential", message: "max must not be shorter than initial",
	},
	"a success to give up on": {
		spec:  `{endpointRef: {name: billing}, eventTypes: ["*"], retry: {giveUpOn: [413, 200]}}`,
		field: "spec.retry.giveUpOn[1]", message: "must not be a 2xx status",
	},
	"maxAge under a minute": {
		spec:  `{endpointRef: {name: billing}, eventTypes: ["*"], retry: {maxAge: 59s}}`,
		field: "spec.retry.maxAge", message: "maxAge must be a duration from 1m to 720h",
	},
	"maxAge above 30 days": {
		spec:  `{endpointRef: {name: billing}, eventTypes: ["*"], retry: {maxAge: 721h}}`,
		field: "spec.retry.maxAge", message: "maxAge must be a duration from 1m to 720h",
	},
})
