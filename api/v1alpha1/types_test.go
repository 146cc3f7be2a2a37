// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func TestAddToScheme_KnowsEveryKind(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{KindWebhookEndpoint, KindWebhookSubscription, KindWebhookEventSource} {
		for _, name := range []string{kind, kind + "List"} {
			if !scheme.Recognizes(GroupVersion.WithKind(name)) {
				t.Errorf("scheme does not recognize %s", name)
			}
		}
	}
}

func TestWebhookEndpoint_SigningSecretName(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		signing *Signing
		want    string
	}{
		"without signing, the operator's":             {want: "billing-signing"},
		"without a reference, the operator's":         {signing: &Signing{Scheme: SigningSchemeGitHub}, want: "billing-signing"},
		"with a reference, the user's":                {signing: &Signing{SecretRef: &SecretKeySelector{Name: "own", Key: "key"}}, want: "own"},
		"for the scheme None, none":                   {signing: &Signing{Scheme: SigningSchemeNone}},
		"for the scheme None, none despite reference": {signing: &Signing{Scheme: SigningSchemeNone, SecretRef: &SecretKeySelector{Name: "own"}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &WebhookEndpoint{ObjectMeta: metav1.ObjectMeta{Name: "billing"}, Spec: WebhookEndpointSpec{Signing: tc.signing}}
			if got := e.SigningSecretName(); got != tc.want {
				t.Errorf("SigningSecretName() = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestEndpointRef_NamespaceOr(t *testing.T) {
	t.Parallel()
	if got := (EndpointRef{Name: "billing"}).NamespaceOr("team-a"); got != "team-a" {
		t.Errorf("without a namespace: got %q, want team-a", got)
	}
	if got := (EndpointRef{Name: "billing", Namespace: "team-b"}).NamespaceOr("team-a"); got != "team-b" {
		t.Errorf("with a namespace: got %q, want team-b", got)
	}
}
