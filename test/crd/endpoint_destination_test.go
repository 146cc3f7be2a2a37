// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package crd

import "strings"

var _ = describeCases("WebhookEndpoint", "destination", map[string]specCase{
	"an https URL":                    {spec: `{url: "https://billing.example.com/hooks"}`},
	"an http URL with port and query": {spec: `{url: "http://billing.example.com:8080/hooks?tenant=a&x=%20"}`},
	"a URL of an IPv6 address":        {spec: `{url: "https://[2001:db8::1]:8443/hooks"}`},
	"a URL with @ in its path":        {spec: `{url: "https://billing.example.com/@team"}`},
	"a URL from a Secret":             {spec: `{urlFrom: {secretKeyRef: {name: slack, key: url}}}`},
	"a Service":                       {spec: `{serviceRef: {name: billing, port: 8080}}`},
	"a Service with path and scheme":  {spec: `{serviceRef: {name: billing, port: 8443, path: "/hooks?x=1", scheme: https}}`},

	"no destination": {
		spec: `{timeout: 5s}`, field: "spec", message: "exactly one of url, urlFrom and serviceRef must be set",
	},
	"two destinations": {
		spec:  `{url: "https://a.example.com", serviceRef: {name: billing, port: 80}}`,
		field: "spec", message: "exactly one of url, urlFrom and serviceRef must be set",
	},
	"three destinations": {
		spec:  `{url: "https://a.example.com", urlFrom: {secretKeyRef: {name: a, key: b}}, serviceRef: {name: billing, port: 80}}`,
		field: "spec", message: "exactly one of url, urlFrom and serviceRef must be set",
	},
	"another scheme": {
		spec: `{url: "ftp://billing.example.com"}`, field: "spec.url", message: "must begin with https:// or http://",
	},
	"a scheme in capitals": {
		spec: `{url: "HTTPS://billing.example.com"}`, field: "spec.url", message: "must begin with https:// or http://",
	},
	"a URL without a scheme": {
		spec: `{url: "billing.example.com/hooks"}`, field: "spec.url", message: "must begin with https:// or http://",
	},
	"a user and a password in the URL": {
		spec: `{url: "https://user:secret@billing.example.com"}`, field: "spec.url", message: "must not hold a user name or a password",
	},
	"a user in the URL": {
		spec: `{url: "https://user@billing.example.com/hooks"}`, field: "spec.url", message: "must not hold a user name or a password",
	},
	"a fragment in the URL": {
		spec: `{url: "https://billing.example.com/hooks#top"}`, field: "spec.url", message: "must not hold a fragment",
	},
	"a space in the URL": {
		spec: `{url: "https://billing.example.com/my hooks"}`, field: "spec.url", message: "must be ASCII without spaces",
	},
	"a host of other letters": {
		spec: `{url: "https://bücher.example.com"}`, field: "spec.url", message: "must be ASCII without spaces",
	},
	"a URL without a host": {
		spec: `{url: "https:///hooks"}`, field: "spec.url", message: "must be a well-formed URL with a host",
	},
	"a URL with a port and no host": {
		spec: `{url: "https://:8080/hooks"}`, field: "spec.url", message: "must be a well-formed URL with a host",
	},
	"a URL with a broken escape": {
		spec: `{url: "https://billing.example.com/%zz"}`, field: "spec.url", message: "must be a well-formed URL with a host",
	},
	"a port above 65535": {
		spec: `{url: "https://billing.example.com:70000"}`, field: "spec.url", message: "must be a well-formed URL with a host",
	},
	"a port with too many digits": {
		spec: `{url: "https://billing.example.com:99999999999999999999"}`, field: "spec.url", message: "must be a well-formed URL with a host",
	},
	"a port of 0": {
		spec: `{url: "https://billing.example.com:0"}`, field: "spec.url", message: "must be a well-formed URL with a host",
	},

	"a Service named in capitals": {
		spec:  `{serviceRef: {name: Billing, port: 80}}`,
		field: "spec.serviceRef.name", message: "must be the name of an object",
	},
	"a Service's path without a slash": {
		spec:  `{serviceRef: {name: billing, port: 80, path: hooks}}`,
		field: "spec.serviceRef.path", message: "path must begin with /",
	},
	"a Service's path with a fragment": {
		spec:  `{serviceRef: {name: billing, port: 80, path: "/hooks#top"}}`,
		field: "spec.serviceRef.path", message: "path must begin with /",
	},
	"a Secret's key with a slash": {
		spec:  `{urlFrom: {secretKeyRef: {name: slack, key: "a/b"}}}`,
		field: "spec.urlFrom.secretKeyRef.key", message: "must be a key of the object's data",
	},
})

var _ = describeCases("WebhookEndpoint", "headers", map[string]specCase{
	"a value and a value from a Secret": {
		spec: `{url: "https://a.example.com", headers: [{name: X-Env, value: "prod, eu"}, {name: X-Key, valueFrom: {secretKeyRef: {name: k, key: v}}}]}`,
	},
	"Authorization without authentication": {
		spec: `{url: "https://a.example.com", headers: [{name: Authorization, value: "Custom abc"}]}`,
	},
	"names that another scheme would set": {
		spec: `{url: "https://a.example.com", headers: [{name: X-Webhook-ID, value: a}, {name: X-Hub-Signature-256, value: b}]}`,
	},
	"default names of HMACHex that others take the place of": {
		spec: `{url: "https://a.example.com", signing: {scheme: HMACHex, headers: {id: X-A, timestamp: X-B, signature: X-C}}, headers: [{name: X-Webhook-ID, value: a}, {name: X-Webhook-Timestamp, value: b}, {name: X-Webhook-Signature, value: c}]}`,
	},

	"neither value nor valueFrom": {
		spec:  `{url: "https://a.example.com", headers: [{name: X-Env}]}`,
		field: "spec.headers[0]", message: "exactly one of value and valueFrom must be set",
	},
	"both value and valueFrom": {
		spec:  `{url: "https://a.example.com", headers: [{name: X-Env, value: a, valueFrom: {secretKeyRef: {name: k, key: v}}}]}`,
		field: "spec.headers[0]", message: "exactly one of value and valueFrom must be set",
	},
	"a line break in a value": {
		spec:  `{url: "https://a.example.com", headers: [{name: X-Env, value: "a\nX-Other: b"}]}`,
		field: "spec.headers[0].value", message: "value must be visible ASCII",
	},
	"a value that ends with a space": {
		spec:  `{url: "https://a.example.com", headers: [{name: X-Env, value: "a "}]}`,
		field: "spec.headers[0].value", message: "value must be visible ASCII",
	},
	"a colon in a name": {
		spec:  `{url: "https://a.example.com", headers: [{name: "X-Env:", value: a}]}`,
		field: "spec.headers[0].name", message: "must be the name of a header",
	},
	"one header twice in different case": {
		spec:  `{url: "https://a.example.com", headers: [{name: X-Env, value: a}, {name: x-env, value: b}]}`,
		field: "spec.headers", message: "headers must not name one header twice in different case",
	},
	"a name that begins with webhook-": {
		spec:  `{url: "https://a.example.com", headers: [{name: Webhook-Tenant, value: a}]}`,
		field: "spec.headers[0].name", message: "must not begin with webhook-",
	},
	"a name that begins with ce-": {
		spec:  `{url: "https://a.example.com", headers: [{name: CE-Type, value: a}]}`,
		field: "spec.headers[0].name", message: "must not begin with ce- or posthorn-",
	},
	"a name that begins with posthorn-": {
		spec:  `{url: "https://a.example.com", headers: [{name: Posthorn-Dead-Letter-Reason, value: a}]}`,
		field: "spec.headers[0].name", message: "must not begin with ce- or posthorn-",
	},
	"Authorization beside authentication": {
		spec:  `{url: "https://a.example.com", headers: [{name: authorization, value: a}], authentication: {type: Basic, basic: {secretRef: {name: b}}}}`,
		field: "spec", message: "headers must not hold Authorization beside authentication",
	},
	"what the prefix of Standard Webhooks makes": {
		spec:  `{url: "https://a.example.com", signing: {headers: {prefix: Svix-}}, headers: [{name: SVIX-Id, value: a}]}`,
		field: "spec", message: "headers must not hold the names that signing sets (signing.headers.prefix",
	},
	"the timestamp of a prefix of Standard Webhooks": {
		spec:  `{url: "https://a.example.com", signing: {headers: {prefix: Svix-}}, headers: [{name: SVIX-Timestamp, value: a}]}`,
		field: "spec", message: "headers must not hold the names that signing sets (signing.headers.prefix",
	},
	"the signature of a prefix of Standard Webhooks": {
		spec:  `{url: "https://a.example.com", signing: {headers: {prefix: Svix-}}, headers: [{name: SVIX-Signature, value: a}]}`,
		field: "spec", message: "headers must not hold the names that signing sets (signing.headers.prefix",
	},
	"a default name of HMACHex": {
		spec:  `{url: "https://a.example.com", signing: {scheme: HMACHex}, headers: [{name: x-webhook-timestamp, value: a}]}`,
		field: "spec", message: "headers must not hold the names that signing sets (signing.headers.id",
	},
	"a chosen name of HMACHex": {
		spec:  `{url: "https://a.example.com", signing: {scheme: HMACHex, headers: {signature: X-Acme-Sig}}, headers: [{name: X-ACME-Sig, value: a}]}`,
		field: "spec", message: "headers must not hold the names that signing sets (signing.headers.id",
	},
	"HMACHex's default name of the id": {
		spec:  `{url: "https://a.example.com", signing: {scheme: HMACHex}, headers: [{name: x-webhook-id, value: a}]}`,
		field: "spec", message: "headers must not hold the names that signing sets (signing.headers.id",
	},
	"HMACHex's default name of the signature": {
		spec:  `{url: "https://a.example.com", signing: {scheme: HMACHex}, headers: [{name: x-webhook-signature, value: a}]}`,
		field: "spec", message: "headers must not hold the names that signing sets (signing.headers.id",
	},
	"HMACHex's default name beside chosen ones": {
		spec:  `{url: "https://a.example.com", signing: {scheme: HMACHex, headers: {signature: X-Acme-Sig}}, headers: [{name: X-Webhook-ID, value: a}]}`,
		field: "spec", message: "headers must not hold the names that signing sets (signing.headers.id",
	},
	"a chosen name of HMACHex for the id": {
		spec:  `{url: "https://a.example.com", signing: {scheme: HMACHex, headers: {id: X-Acme-ID}}, headers: [{name: X-ACME-Id, value: a}]}`,
		field: "spec", message: "headers must not hold the names that signing sets (signing.headers.id",
	},
	"a chosen name of HMACHex for the timestamp": {
		spec:  `{url: "https://a.example.com", signing: {scheme: HMACHex, headers: {timestamp: X-Acme-Time}}, headers: [{name: X-ACME-Time, value: a}]}`,
		field: "spec", message: "headers must not hold the names that signing sets (signing.headers.id",
	},
	"GitHub's signature beside the scheme GitHub": {
		spec:  `{url: "https://a.example.com", signing: {scheme: GitHub}, headers: [{name: x-hub-signature-256, value: a}]}`,
		field: "spec", message: "headers must not hold X-Hub-Signature-256",
	},
})

var _ = describeCases("WebhookEndpoint", "reserved headers", reservedHeaders())

// reservedHeaders makes a case of each header that Posthorn or the connection sets.
func reservedHeaders() map[string]specCase {
	cases := map[string]specCase{}
	for name := range strings.FieldsSeq(`Host Content-Type Content-Length Content-Encoding User-Agent
		Transfer-Encoding Connection Keep-Alive Proxy-Connection Proxy-Authorization TE Trailer Upgrade
		Expect Accept-Encoding hOST`) {
		cases[name] = specCase{
			spec:  `{url: "https://a.example.com", headers: [{name: ` + name + `, value: a}]}`,
			field: "spec.headers[0].name", message: "must not be a header that Posthorn or the connection sets",
		}
	}
	return cases
}
