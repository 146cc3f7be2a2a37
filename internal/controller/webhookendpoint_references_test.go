// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
)

// selfSigned returns a certificate and its key in PEM.
func selfSigned() (certificate, key string) {
	GinkgoHelper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Expect(err).NotTo(HaveOccurred())
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	Expect(err).NotTo(HaveOccurred())
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	Expect(err).NotTo(HaveOccurred())
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
}

func selector(name, key string) hookv1.SecretKeySelector {
	return hookv1.SecretKeySelector{Name: hookv1.ObjectName(name), Key: hookv1.DataKey(key)}
}

var _ = Describe("What an endpoint takes from elsewhere", func() {
	var namespace string
	BeforeEach(func(ctx SpecContext) { namespace = newNamespace(ctx, nil) })

	It("is resolved into the one Secret that the dispatcher reads", func(ctx SpecContext) {
		certificate, key := selfSigned()
		create(ctx, newSecret(namespace, "tokens", map[string]string{"url": "https://hooks.example.com/T0/secret\n", "header": "v1", "oauth": "client-secret"}))
		create(ctx, newSecret(namespace, "cert", map[string]string{"tls.crt": certificate, "tls.key": key}))
		create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "ca"}, Data: map[string]string{"ca.crt": certificate}})
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing", func(e *hookv1.WebhookEndpoint) {
			e.Spec.URL = ""
			e.Spec.URLFrom = &hookv1.URLSource{SecretKeyRef: selector("tokens", "url")}
			e.Spec.Headers = []hookv1.Header{
				{Name: "X-Env", Value: "prod"},
				{Name: "X-Key", ValueFrom: &hookv1.HeaderSource{SecretKeyRef: selector("tokens", "header")}},
			}
			e.Spec.Authentication = &hookv1.Authentication{
				Type: hookv1.AuthenticationTypeOAuth2ClientCredentials,
				OAuth2ClientCredentials: &hookv1.OAuth2ClientCredentials{
					TokenURL: "https://auth.example.com/token", ClientID: "me", ClientSecretRef: selector("tokens", "oauth"),
					Scopes: []hookv1.OAuth2Scope{"send"}, Audience: "hooks",
				},
			}
			e.Spec.TLS = &hookv1.TLS{
				CARef:                &hookv1.CARef{Kind: hookv1.CARefKindConfigMap, Name: "ca"},
				ClientCertificateRef: &hookv1.LocalSecretRef{Name: "cert"},
			}
		}))
		Expect(credentialsOf(ctx, obj)).To(Equal(&compile.Credentials{
			Endpoint:    compile.CredentialsOwner{Namespace: namespace, Name: "billing", UID: string(obj.UID), Generation: 1},
			URL:         "https://hooks.example.com/T0/secret",
			SigningKeys: []string{signingData(ctx, obj)()[hookv1.SecretKeyCurrent]},
			Headers:     []compile.CredentialsHeader{{Name: "X-Key", Value: "v1"}},
			OAuth2: &compile.CredentialsOAuth2{
				TokenURL: "https://auth.example.com/token", ClientID: "me", ClientSecret: "client-secret",
				Scopes: []string{"send"}, Audience: "hooks",
			},
			CA:                certificate,
			ClientCertificate: strings.TrimSuffix(certificate, "\n"),
			ClientKey:         strings.TrimSuffix(key, "\n"),
		}))
		Expect(obj.Status.Host).To(Equal("hooks.example.com"), "the host alone is shown")

		secret := &corev1.Secret{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: ownNamespace, Name: compile.CredentialsName(namespace, "billing")}, secret)).To(Succeed())
		Expect(secret.Type).To(BeEquivalentTo(hookv1.SecretTypeEndpointCredentials))
		Expect(secret.Labels).To(HaveKeyWithValue(hookv1.LabelUse, hookv1.LabelUseValue))
	})

	It("is followed when it changes", func(ctx SpecContext) {
		secret := newSecret(namespace, "tokens", map[string]string{"username": "me", "password": "one"})
		create(ctx, secret)
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing", func(e *hookv1.WebhookEndpoint) {
			e.Spec.Authentication = &hookv1.Authentication{
				Type: hookv1.AuthenticationTypeBasic, Basic: &hookv1.BasicAuthentication{SecretRef: hookv1.LocalSecretRef{Name: "tokens"}},
			}
		}))
		change(ctx, secret, func(s *corev1.Secret) { s.Data["password"] = []byte("two") })
		Eventually(func() *compile.CredentialsBasic { return credentialsOf(ctx, obj).Basic }).
			Should(Equal(&compile.CredentialsBasic{Username: "me", Password: "two"}))
		Expect(condition(ctx, obj, hookv1.ConditionReady)()).To(be(metav1.ConditionTrue, hookv1.ReasonSucceeded))
	})

	It("is read again every 5 minutes when it is a ConfigMap", func(ctx SpecContext) {
		first, _ := selfSigned()
		second, _ := selfSigned()
		bundle := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "ca"}, Data: map[string]string{"ca.crt": first}}
		create(ctx, bundle)
		obj := readyEndpoint(ctx, newEndpoint(namespace, "billing", func(e *hookv1.WebhookEndpoint) {
			e.Spec.TLS = &hookv1.TLS{CARef: &hookv1.CARef{Name: "ca"}}
		}))
		Eventually(wake(ctx, obj)).Should(Equal(configMapInterval))
		change(ctx, bundle, func(c *corev1.ConfigMap) { c.Data["ca.crt"] = second })
		poke(ctx, obj)
		Eventually(func() string { return credentialsOf(ctx, obj).CA }).Should(Equal(second))
	})

	DescribeTable("says what is wrong with the Secret, and tells nothing of what it holds",
		func(ctx context.Context, key string, edit func(*hookv1.WebhookEndpoint)) {
			const treasure = "hunter2-treasure"
			obj := newEndpoint(namespace, "billing", edit)
			create(ctx, obj)
			expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonSecretNotFound, "theirs", hookv1.LabelUse)
			Eventually(wake(ctx, obj)).Should(Equal(recheckInterval))
			secret := newSecret(namespace, "theirs", map[string]string{"unrelated": treasure})
			secret.Labels = nil
			create(ctx, secret)
			poke(ctx, obj)
			expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonSecretNotAllowed, "theirs", hookv1.LabelUse)
			Eventually(wake(ctx, obj)).Should(Equal(recheckInterval))
			change(ctx, secret, func(s *corev1.Secret) { s.Labels = map[string]string{hookv1.LabelUse: "true"} })
			expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonKeyMissing, key)
			Expect(credentialsOf(ctx, obj)).To(BeNil())
			expectNowhere(ctx, obj, treasure)
		}, secretFieldEntries())

	DescribeTable("is not one of Posthorn's own Secrets, whose label would let it pass",
		func(ctx context.Context, _ string, edit func(*hookv1.WebhookEndpoint)) {
			victim := readyEndpoint(ctx, newEndpoint(namespace, "victim"))
			obj := newEndpoint(namespace, "billing", edit, func(e *hookv1.WebhookEndpoint) {
				retarget(e, "victim-signing", hookv1.SecretKeyCurrent)
			})
			create(ctx, obj)
			expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonSecretNotAllowed, "victim-signing")
			Expect(credentialsOf(ctx, obj)).To(BeNil())
			expectNowhere(ctx, obj, signingData(ctx, victim)()[hookv1.SecretKeyCurrent])
		}, secretFieldEntries())

	DescribeTable("may be malformed, which is told without its value",
		func(ctx context.Context, reason string, data map[string]string, edit func(*hookv1.WebhookEndpoint)) {
			create(ctx, newSecret(namespace, "theirs", data))
			obj := newEndpoint(namespace, "billing", edit)
			create(ctx, obj)
			expectReady(ctx, obj, metav1.ConditionFalse, reason)
			Expect(condition(ctx, obj, hookv1.ConditionReconciling)()).To(be(metav1.ConditionTrue, reason))
			Expect(credentialsOf(ctx, obj)).To(BeNil())
			for _, value := range data {
				expectNowhere(ctx, obj, value)
			}
		},
		Entry("a URL", hookv1.ReasonInvalidURL, map[string]string{"value": "ftp://user:hunter2@x"}, secretFields["urlFrom"].edit),
		Entry("a URL with a fragment", hookv1.ReasonInvalidURL, map[string]string{"value": "https://x.example.com/#hunter2"}, secretFields["urlFrom"].edit),
		Entry("a plain URL beside TLS", hookv1.ReasonInvalidURL, map[string]string{"value": "http://x.example.com/hunter2"}, func(e *hookv1.WebhookEndpoint) {
			secretFields["urlFrom"].edit(e)
			e.Spec.TLS = &hookv1.TLS{ServerName: "x.example.com"}
		}),
		Entry("a header", hookv1.ReasonInvalidHeader, map[string]string{"value": "hunter2\r\nX-Evil: 1"}, secretFields["headers"].edit),
		Entry("a user name", hookv1.ReasonInvalidCredentials, map[string]string{"username": "hunter2:x", "password": "hunter3-x"}, secretFields["basic authentication"].edit),
		Entry("a token", hookv1.ReasonInvalidCredentials, map[string]string{"value": "hunter2\x01x"}, secretFields["bearer authentication"].edit),
		Entry("a CA bundle", hookv1.ReasonInvalidCertificate, map[string]string{"value": "hunter2-not-pem"}, secretFields["a CA bundle"].edit),
		Entry("a client certificate", hookv1.ReasonInvalidCertificate, map[string]string{"tls.crt": "hunter2-not-pem", "tls.key": "hunter3-not-pem"}, secretFields["a client certificate"].edit),
	)

	It("may be a ConfigMap that is missing, or lacks the key", func(ctx SpecContext) {
		certificate, _ := selfSigned()
		obj := newEndpoint(namespace, "billing", func(e *hookv1.WebhookEndpoint) {
			e.Spec.TLS = &hookv1.TLS{CARef: &hookv1.CARef{Name: "ca"}}
		})
		create(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonConfigMapNotFound, "ca")
		Eventually(wake(ctx, obj)).Should(Equal(recheckInterval))
		bundle := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "ca"}}
		create(ctx, bundle)
		poke(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionFalse, hookv1.ReasonKeyMissing, "ca.crt")
		Eventually(wake(ctx, obj)).Should(Equal(recheckInterval), "not only after the 5 minutes of a ConfigMap")
		change(ctx, bundle, func(c *corev1.ConfigMap) { c.Data = map[string]string{"ca.crt": certificate} })
		poke(ctx, obj)
		route(ctx, obj)
		expectReady(ctx, obj, metav1.ConditionTrue, hookv1.ReasonSucceeded)
	})
})

// secretField is one field of an endpoint that refers to the Secret "theirs".
type secretField struct {
	// key is the first of the Secret's keys that the field asks for.
	key  string
	edit func(*hookv1.WebhookEndpoint)
}

// secretFields are all of them, each in an endpoint that has no other problem.
var secretFields = map[string]secretField{
	"urlFrom": {"value", func(e *hookv1.WebhookEndpoint) {
		e.Spec.URL, e.Spec.URLFrom = "", &hookv1.URLSource{SecretKeyRef: selector("theirs", "value")}
	}},
	"headers": {"value", func(e *hookv1.WebhookEndpoint) {
		e.Spec.Headers = []hookv1.Header{{Name: "X-Key", ValueFrom: &hookv1.HeaderSource{SecretKeyRef: selector("theirs", "value")}}}
	}},
	"basic authentication": {"username", func(e *hookv1.WebhookEndpoint) {
		e.Spec.Authentication = &hookv1.Authentication{
			Type:  hookv1.AuthenticationTypeBasic,
			Basic: &hookv1.BasicAuthentication{SecretRef: hookv1.LocalSecretRef{Name: "theirs"}},
		}
	}},
	"bearer authentication": {"value", func(e *hookv1.WebhookEndpoint) {
		e.Spec.Authentication = &hookv1.Authentication{
			Type:   hookv1.AuthenticationTypeBearer,
			Bearer: &hookv1.BearerAuthentication{SecretRef: selector("theirs", "value")},
		}
	}},
	"OAuth2 authentication": {"value", func(e *hookv1.WebhookEndpoint) {
		e.Spec.Authentication = &hookv1.Authentication{
			Type: hookv1.AuthenticationTypeOAuth2ClientCredentials,
			OAuth2ClientCredentials: &hookv1.OAuth2ClientCredentials{
				TokenURL: "https://auth.example.com", ClientID: "me", ClientSecretRef: selector("theirs", "value"),
			},
		}
	}},
	"a CA bundle": {"value", func(e *hookv1.WebhookEndpoint) {
		e.Spec.TLS = &hookv1.TLS{CARef: &hookv1.CARef{Kind: hookv1.CARefKindSecret, Name: "theirs", Key: "value"}}
	}},
	"a client certificate": {"tls.crt", func(e *hookv1.WebhookEndpoint) {
		e.Spec.TLS = &hookv1.TLS{ClientCertificateRef: &hookv1.LocalSecretRef{Name: "theirs"}}
	}},
	"the signing key": {"value", func(e *hookv1.WebhookEndpoint) {
		ref := selector("theirs", "value")
		e.Spec.Signing = &hookv1.Signing{SecretRef: &ref}
	}},
}

func secretFieldEntries() []TableEntry {
	var entries []TableEntry
	for _, name := range slices.Sorted(maps.Keys(secretFields)) {
		entries = append(entries, Entry(name, secretFields[name].key, secretFields[name].edit))
	}
	return entries
}

// retarget makes every reference of an endpoint name another Secret and key. It edits the manifest's
// text, so that no reference is forgotten here.
func retarget(e *hookv1.WebhookEndpoint, name, key string) {
	GinkgoHelper()
	raw, err := json.Marshal(e.Spec)
	Expect(err).NotTo(HaveOccurred())
	text := strings.ReplaceAll(string(raw), `"theirs"`, strconv.Quote(name))
	text = strings.ReplaceAll(text, `"key":"value"`, `"key":`+strconv.Quote(key))
	e.Spec = hookv1.WebhookEndpointSpec{}
	Expect(json.Unmarshal([]byte(text), &e.Spec)).To(Succeed())
}

// expectNowhere asserts that a secret value is in nothing that others than the dispatcher can read:
// the endpoint, the Events of its namespace, the operator's log.
func expectNowhere(ctx context.Context, obj *hookv1.WebhookEndpoint, secret string) {
	GinkgoHelper()
	refresh(ctx, obj)
	var events corev1.EventList
	Expect(admin.List(ctx, &events, client.InNamespace(obj.Namespace))).To(Succeed())
	for _, o := range []any{obj, events.Items} {
		raw, err := json.Marshal(o)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(raw)).NotTo(ContainSubstring(secret))
	}
	Expect(string(operatorLog.Contents())).NotTo(ContainSubstring(secret))
}
