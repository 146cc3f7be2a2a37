// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package crd

var _ = describeCases("WebhookEndpoint", "signing", map[string]specCase{
	"each scheme's defaults":            {spec: `{url: "https://a.example.com", signing: {scheme: StandardWebhooksEd25519}}`},
	"no signature":                      {spec: `{url: "https://a.example.com", signing: {scheme: None}}`},
	"a key of one's own":                {spec: `{url: "https://a.example.com", signing: {scheme: GitHub, secretRef: {name: my-own, key: secret}}}`},
	"rotation with overlap":             {spec: `{url: "https://a.example.com", signing: {rotation: {interval: 2160h, overlap: 24h}}}`},
	"rotation on demand with overlap":   {spec: `{url: "https://a.example.com", signing: {rotation: {overlap: 0s}}}`},
	"a prefix for Standard Webhooks":    {spec: `{url: "https://a.example.com", signing: {headers: {prefix: svix-}}}`},
	"a Secret that goes with its owner": {spec: `{url: "https://a.example.com", signing: {deletionPolicy: Delete}}`},
	"names and a prefix for HMACHex": {
		spec: `{url: "https://a.example.com", signing: {scheme: HMACHex, headers: {id: X-Acme-ID, timestamp: X-Acme-Time, signature: X-Acme-Sig, valuePrefix: "sha256="}}}`,
	},
	"a signature in Authorization without authentication": {
		spec: `{url: "https://a.example.com", signing: {scheme: HMACHex, headers: {signature: Authorization}}}`,
	},

	"a key for the scheme None": {
		spec:  `{url: "https://a.example.com", signing: {scheme: None, secretRef: {name: a, key: b}}}`,
		field: "spec.signing", message: "scheme None signs nothing",
	},
	"rotation for the scheme None": {
		spec:  `{url: "https://a.example.com", signing: {scheme: None, rotation: {interval: 24h}}}`,
		field: "spec.signing", message: "scheme None signs nothing",
	},
	"headers for the scheme None": {
		spec:  `{url: "https://a.example.com", signing: {scheme: None, headers: {prefix: svix-}}}`,
		field: "spec.signing", message: "scheme None signs nothing",
	},
	"rotation of a key of one's own": {
		spec:  `{url: "https://a.example.com", signing: {secretRef: {name: a, key: b}, rotation: {interval: 24h}}}`,
		field: "spec.signing", message: "rotation needs a key that Posthorn creates",
	},
	"deletion of a key of one's own": {
		spec:  `{url: "https://a.example.com", signing: {secretRef: {name: a, key: b}, deletionPolicy: Delete}}`,
		field: "spec.signing", message: "deletionPolicy Delete needs a key that Posthorn creates",
	},
	"an overlap as long as the interval": {
		spec:  `{url: "https://a.example.com", signing: {rotation: {interval: 24h, overlap: 1440m}}}`,
		field: "spec.signing.rotation", message: "overlap must be shorter than interval",
	},
	"an interval under a minute": {
		spec:  `{url: "https://a.example.com", signing: {rotation: {interval: 59s}}}`,
		field: "spec.signing.rotation.interval", message: "interval must be a duration from 1m to 87600h",
	},
	"an interval above ten years": {
		spec:  `{url: "https://a.example.com", signing: {rotation: {interval: 87601h}}}`,
		field: "spec.signing.rotation.interval", message: "interval must be a duration from 1m to 87600h",
	},
	"an overlap above a year": {
		spec:  `{url: "https://a.example.com", signing: {rotation: {interval: 20000h, overlap: 8761h}}}`,
		field: "spec.signing.rotation.overlap", message: "overlap must be a duration from 0s to 8760h",
	},
	"an overlap below zero": {
		spec:  `{url: "https://a.example.com", signing: {rotation: {overlap: "-1h"}}}`,
		field: "spec.signing.rotation.overlap", message: "overlap must be a duration from 0s to 8760h",
	},
	"a prefix for HMACHex": {
		spec:  `{url: "https://a.example.com", signing: {scheme: HMACHex, headers: {prefix: svix-}}}`,
		field: "spec.signing", message: "headers.prefix needs scheme StandardWebhooks",
	},
	"a prefix for GitHub": {
		spec:  `{url: "https://a.example.com", signing: {scheme: GitHub, headers: {prefix: svix-}}}`,
		field: "spec.signing", message: "headers.prefix needs scheme StandardWebhooks",
	},
	"names for Standard Webhooks": {
		spec:  `{url: "https://a.example.com", signing: {headers: {signature: X-Sig}}}`,
		field: "spec.signing", message: "headers.id, timestamp, signature and valuePrefix need scheme HMACHex",
	},
	"an id for Standard Webhooks": {
		spec:  `{url: "https://a.example.com", signing: {headers: {id: X-ID}}}`,
		field: "spec.signing", message: "headers.id, timestamp, signature and valuePrefix need scheme HMACHex",
	},
	"a timestamp for Standard Webhooks": {
		spec:  `{url: "https://a.example.com", signing: {headers: {timestamp: X-Time}}}`,
		field: "spec.signing", message: "headers.id, timestamp, signature and valuePrefix need scheme HMACHex",
	},
	"a value's prefix for Standard Webhooks": {
		spec:  `{url: "https://a.example.com", signing: {headers: {valuePrefix: "v1="}}}`,
		field: "spec.signing", message: "headers.id, timestamp, signature and valuePrefix need scheme HMACHex",
	},
	"a prefix that does not end with a dash": {
		spec:  `{url: "https://a.example.com", signing: {headers: {prefix: svix}}}`,
		field: "spec.signing.headers.prefix", message: "prefix must be the beginning of a header's name",
	},
	"the prefix ce-": {
		spec:  `{url: "https://a.example.com", signing: {headers: {prefix: Ce-}}}`,
		field: "spec.signing.headers.prefix", message: "prefix must be the beginning of a header's name",
	},
	"the prefix posthorn-": {
		spec:  `{url: "https://a.example.com", signing: {headers: {prefix: Posthorn-}}}`,
		field: "spec.signing.headers.prefix", message: "prefix must be the beginning of a header's name",
	},
	"two headers of the same name": {
		spec:  `{url: "https://a.example.com", signing: {scheme: HMACHex, headers: {id: X-Acme, signature: x-acme}}}`,
		field: "spec.signing.headers", message: "id, timestamp and signature must name different headers",
	},
	"a header of the default name of another": {
		spec:  `{url: "https://a.example.com", signing: {scheme: HMACHex, headers: {id: X-Webhook-Timestamp}}}`,
		field: "spec.signing.headers", message: "id, timestamp and signature must name different headers",
	},
	"an id and a timestamp of the same name": {
		spec:  `{url: "https://a.example.com", signing: {scheme: HMACHex, headers: {id: X-Acme, timestamp: x-acme}}}`,
		field: "spec.signing.headers", message: "id, timestamp and signature must name different headers",
	},
	"a timestamp and a signature of the same name": {
		spec:  `{url: "https://a.example.com", signing: {scheme: HMACHex, headers: {timestamp: X-Acme, signature: x-acme}}}`,
		field: "spec.signing.headers", message: "id, timestamp and signature must name different headers",
	},
	"an id of the default name of the signature": {
		spec:  `{url: "https://a.example.com", signing: {scheme: HMACHex, headers: {id: X-Webhook-Signature}}}`,
		field: "spec.signing.headers", message: "id, timestamp and signature must name different headers",
	},
	"a timestamp of the default name of the id": {
		spec:  `{url: "https://a.example.com", signing: {scheme: HMACHex, headers: {timestamp: X-Webhook-ID}}}`,
		field: "spec.signing.headers", message: "id, timestamp and signature must name different headers",
	},
	"a timestamp of the default name of the signature": {
		spec:  `{url: "https://a.example.com", signing: {scheme: HMACHex, headers: {timestamp: X-Webhook-Signature}}}`,
		field: "spec.signing.headers", message: "id, timestamp and signature must name different headers",
	},
	"a signature of the default name of the id": {
		spec:  `{url: "https://a.example.com", signing: {scheme: HMACHex, headers: {signature: X-Webhook-ID}}}`,
		field: "spec.signing.headers", message: "id, timestamp and signature must name different headers",
	},
	"a signature of the default name of the timestamp": {
		spec:  `{url: "https://a.example.com", signing: {scheme: HMACHex, headers: {signature: X-Webhook-Timestamp}}}`,
		field: "spec.signing.headers", message: "id, timestamp and signature must name different headers",
	},
	"a signature in Content-Type": {
		spec:  `{url: "https://a.example.com", signing: {scheme: HMACHex, headers: {signature: content-type}}}`,
		field: "spec.signing.headers.signature", message: "must not be a header that Posthorn or the connection sets",
	},
	"a value's prefix with a space": {
		spec:  `{url: "https://a.example.com", signing: {scheme: HMACHex, headers: {valuePrefix: "v1 ="}}}`,
		field: "spec.signing.headers.valuePrefix", message: "valuePrefix must be letters",
	},
	"a signature in Authorization beside authentication": {
		spec:  `{url: "https://a.example.com", signing: {scheme: HMACHex, headers: {signature: authorization}}, authentication: {type: Basic, basic: {secretRef: {name: b}}}}`,
		field: "spec", message: "signing.headers must not name Authorization beside authentication",
	},
	"an id in Authorization beside authentication": {
		spec:  `{url: "https://a.example.com", signing: {scheme: HMACHex, headers: {id: authorization}}, authentication: {type: Basic, basic: {secretRef: {name: b}}}}`,
		field: "spec", message: "signing.headers must not name Authorization beside authentication",
	},
	"a timestamp in Authorization beside authentication": {
		spec:  `{url: "https://a.example.com", signing: {scheme: HMACHex, headers: {timestamp: Authorization}}, authentication: {type: Basic, basic: {secretRef: {name: b}}}}`,
		field: "spec", message: "signing.headers must not name Authorization beside authentication",
	},
})

var _ = describeCases("WebhookEndpoint", "authentication", map[string]specCase{
	"a user name and a password": {spec: `{url: "https://a.example.com", authentication: {type: Basic, basic: {secretRef: {name: b}}}}`},
	"a token":                    {spec: `{url: "https://a.example.com", authentication: {type: Bearer, bearer: {secretRef: {name: b, key: token}}}}`},
	"OAuth2": {
		spec: `{url: "https://a.example.com", authentication: {type: OAuth2ClientCredentials, oauth2ClientCredentials: {tokenURL: "https://id.example.com/token", clientID: posthorn, clientSecretRef: {name: b, key: c}, scopes: [read, "api:write"], audience: hooks}}}`,
	},

	"Basic without basic": {
		spec:  `{url: "https://a.example.com", authentication: {type: Basic}}`,
		field: "spec.authentication", message: "basic must be set when type is Basic",
	},
	"basic beside another type": {
		spec:  `{url: "https://a.example.com", authentication: {type: Bearer, bearer: {secretRef: {name: b, key: t}}, basic: {secretRef: {name: b}}}}`,
		field: "spec.authentication", message: "basic must be set when type is Basic",
	},
	"Bearer without bearer": {
		spec:  `{url: "https://a.example.com", authentication: {type: Bearer}}`,
		field: "spec.authentication", message: "bearer must be set when type is Bearer",
	},
	"OAuth2ClientCredentials without its member": {
		spec:  `{url: "https://a.example.com", authentication: {type: OAuth2ClientCredentials}}`,
		field: "spec.authentication", message: "oauth2ClientCredentials must be set when type is OAuth2ClientCredentials",
	},
	"a token URL with credentials": {
		spec:  `{url: "https://a.example.com", authentication: {type: OAuth2ClientCredentials, oauth2ClientCredentials: {tokenURL: "https://u:p@id.example.com", clientID: a, clientSecretRef: {name: b, key: c}}}}`,
		field: "spec.authentication.oauth2ClientCredentials.tokenURL", message: "must not hold a user name or a password",
	},
	"a client's id with a line break": {
		spec:  `{url: "https://a.example.com", authentication: {type: OAuth2ClientCredentials, oauth2ClientCredentials: {tokenURL: "https://id.example.com", clientID: "a\n", clientSecretRef: {name: b, key: c}}}}`,
		field: "spec.authentication.oauth2ClientCredentials.clientID", message: "clientID must be visible ASCII",
	},
	"two scopes in one": {
		spec:  `{url: "https://a.example.com", authentication: {type: OAuth2ClientCredentials, oauth2ClientCredentials: {tokenURL: "https://id.example.com", clientID: a, clientSecretRef: {name: b, key: c}, scopes: ["read write"]}}}`,
		field: "spec.authentication.oauth2ClientCredentials.scopes[0]", message: "must be one scope",
	},
	"a scope with a backslash": {
		spec:  `{url: "https://a.example.com", authentication: {type: OAuth2ClientCredentials, oauth2ClientCredentials: {tokenURL: "https://id.example.com", clientID: a, clientSecretRef: {name: b, key: c}, scopes: ["read\\write"]}}}`,
		field: "spec.authentication.oauth2ClientCredentials.scopes[0]", message: "must be one scope",
	},
})

var _ = describeCases("WebhookEndpoint", "TLS", map[string]specCase{
	"a CA, a certificate and a name": {
		spec: `{url: "https://a.example.com", tls: {caRef: {name: ca}, clientCertificateRef: {name: cert}, serverName: a.example.com}}`,
	},
	"TLS to a Service":          {spec: `{serviceRef: {name: a, port: 443, scheme: https}, tls: {serverName: a.example.com}}`},
	"TLS to a URL of a Secret":  {spec: `{urlFrom: {secretKeyRef: {name: a, key: b}}, tls: {serverName: a.example.com}}`},
	"TLS with a http URL":       {spec: `{url: "http://a.example.com", tls: {serverName: a.example.com}}`, field: "spec", message: "tls needs a url that begins with https://"},
	"TLS to a Service by http":  {spec: `{serviceRef: {name: a, port: 80}, tls: {serverName: a.example.com}}`, field: "spec", message: "tls needs serviceRef.scheme https"},
	"a server's name with port": {spec: `{url: "https://a.example.com", tls: {serverName: "a.example.com:443"}}`, field: "spec.tls.serverName", message: "serverName must be a host name"},
})
