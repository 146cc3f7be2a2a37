// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

var billingName = delivery.Name{Namespace: "team-a", Name: "billing"}

// billing returns an unsigned endpoint of that UID and generation.
func billing(uid types.UID, generation int64) *hookv1.WebhookEndpoint {
	return &hookv1.WebhookEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "billing", UID: uid, Generation: generation},
		Spec: hookv1.WebhookEndpointSpec{
			URL: "https://billing.example.com", Signing: &hookv1.Signing{Scheme: hookv1.SigningSchemeNone},
		},
	}
}

// pods returns an event source of Pods of that UID and generation.
func pods(uid types.UID, generation int64) *hookv1.WebhookEventSource {
	return &hookv1.WebhookEventSource{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "pods", UID: uid, Generation: generation},
		Spec: hookv1.WebhookEventSourceSpec{
			ServiceAccountName: "reader", Resources: []hookv1.WatchedResource{{APIVersion: "v1", Kind: "Pod"}},
		},
	}
}

// credentials returns those of an endpoint, as the Secret has them.
func credentials(t *testing.T, obj *hookv1.WebhookEndpoint, admits ...string) []byte {
	t.Helper()
	c := compile.Credentials{Endpoint: compile.CredentialsOwner{
		Namespace: obj.Namespace, Name: obj.Name, UID: string(obj.UID), Generation: obj.Generation,
	}, Admits: admits}
	b, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStore_ReusesWhatDidNotChange(t *testing.T) {
	t.Parallel()
	s := newStore(compile.BuiltinDefaults())
	obj := billing("uid-1", 1)
	secret := credentials(t, obj)
	if !s.setEndpoint(obj, secret) {
		t.Fatal("a new endpoint changes nothing")
	}
	first := s.update().Table.Endpoint(billingName)
	obj.Status.Host = "billing.example.com"
	obj.ResourceVersion = "2"
	if s.setEndpoint(obj, credentials(t, obj)) || s.update().Table.Endpoint(billingName) != first {
		t.Error("a change of the status compiles the endpoint anew")
	}
	if !s.setEndpoint(obj, credentials(t, obj, "team-b")) || s.update().Table.Endpoint(billingName) == first {
		t.Error("a change of the credentials is not taken up")
	}
	obj.Annotations = map[string]string{hookv1.AnnotationEnable: "1"}
	if !s.setEndpoint(obj, credentials(t, obj, "team-b")) {
		t.Error("a change of the annotation is not taken up")
	}

	sub := &hookv1.WebhookSubscription{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "orders", UID: "uid-1", Generation: 1},
		Spec: hookv1.WebhookSubscriptionSpec{
			EndpointRef: hookv1.EndpointRef{Name: "billing"}, EventTypes: []hookv1.EventTypePattern{"*"},
		},
	}
	if !s.setSubscription(sub) || s.setSubscription(sub) {
		t.Error("a subscription counts as changed each time, or never")
	}
}

func TestStore_SaysWhyAnEndpointIsNotRouted(t *testing.T) {
	t.Parallel()
	now := billing("uid-1", 2)
	invalid := billing("uid-1", 2)
	invalid.Spec.URL = "ftp://example.com"
	tests := map[string]struct {
		obj         *hookv1.WebhookEndpoint
		credentials []byte
		wantReason  string
	}{
		"no credentials yet":               {now, nil, hookv1.ReasonCredentialsPending},
		"credentials that cannot be read":  {now, []byte("{"), hookv1.ReasonCredentialsPending},
		"credentials of a generation past": {now, credentials(t, billing("uid-1", 1)), hookv1.ReasonCredentialsPending},
		"credentials of an object past":    {now, credentials(t, billing("uid-0", 2)), hookv1.ReasonCredentialsPending},
		"a spec that does not compile":     {invalid, credentials(t, invalid), hookv1.ReasonInvalidSpec},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(compile.BuiltinDefaults())
			s.setEndpoint(tc.obj, tc.credentials)
			u := s.update()
			if len(u.Invalid) != 1 || u.Table.Endpoint(billingName) != nil {
				t.Fatalf("got %+v", u)
			}
			got := u.Invalid[0]
			if !strings.HasPrefix(got.Message, "WebhookEndpoint billing is not routed: ") {
				t.Errorf("Message: got %q", got.Message)
			}
			got.Message = ""
			want := Invalid{Kind: "WebhookEndpoint", Name: billingName, UID: "uid-1", Generation: 2, Reason: tc.wantReason}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestStore_SaysWhyASubscriptionIsNotRouted(t *testing.T) {
	t.Parallel()
	s := newStore(compile.BuiltinDefaults())
	s.setSubscription(&hookv1.WebhookSubscription{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "orders", UID: "uid-1", Generation: 1},
		Spec: hookv1.WebhookSubscriptionSpec{
			EndpointRef: hookv1.EndpointRef{Name: "billing"}, EventTypes: []hookv1.EventTypePattern{"*"}, Filter: "event.id ==",
		},
	})
	u := s.update()
	if len(u.Invalid) != 1 || u.Invalid[0].Reason != hookv1.ReasonInvalidSpec || !strings.Contains(u.Invalid[0].Message, "spec.filter") {
		t.Errorf("got %+v", u.Invalid)
	}
}

func TestStore_ASourceLeavesTheTableAsItIs(t *testing.T) {
	t.Parallel()
	s := newStore(compile.BuiltinDefaults())
	obj := billing("uid-1", 1)
	s.setEndpoint(obj, credentials(t, obj))
	first := s.update()
	if first.SameTable {
		t.Error("the first table counts as known")
	}
	name := delivery.Name{Namespace: "team-a", Name: "pods"}
	source := pods("uid-1", 1)
	if !s.setSource(source) {
		t.Fatal("a new source changes nothing")
	}
	u := s.update()
	if !u.SameTable || u.Table != first.Table || len(u.Sources) != 1 || u.Sources[0].Name != name {
		t.Fatalf("got %+v", u)
	}
	source.ResourceVersion = "2"
	if s.setSource(source) || s.update().Sources[0] != u.Sources[0] {
		t.Error("a change of the status compiles the source anew")
	}
	for _, next := range []*hookv1.WebhookEventSource{pods("uid-1", 2), pods("uid-2", 2)} {
		if !s.setSource(next) || s.update().Sources[0].UID != string(next.UID) || s.update().Sources[0].Generation != 2 {
			t.Errorf("UID %s, generation %d is not taken up", next.UID, next.Generation)
		}
	}

	if !s.setEndpoint(obj, credentials(t, obj, "team-b")) {
		t.Fatal("a change of the credentials is not taken up")
	}
	if u = s.update(); u.SameTable || u.Table == first.Table || len(u.Sources) != 1 {
		t.Errorf("after a change of an endpoint: %+v", u)
	}
	if !s.dropSource(name) || s.dropSource(name) || len(s.update().Sources) != 0 {
		t.Error("a source that is gone is there, or goes twice")
	}
}

func TestStore_SaysWhyASourceIsNotWatchedFor(t *testing.T) {
	t.Parallel()
	s := newStore(compile.BuiltinDefaults())
	obj := pods("uid-1", 3)
	obj.Spec.Namespaces = &hookv1.WatchedNamespaces{From: hookv1.FromNamespacesSelector}
	s.setSource(obj)
	u := s.update()
	if len(u.Invalid) != 1 || len(u.Sources) != 0 {
		t.Fatalf("got %+v", u)
	}
	got := u.Invalid[0]
	if !strings.HasPrefix(got.Message, "WebhookEventSource pods is not watched for: spec.namespaces.selector") {
		t.Errorf("Message: got %q", got.Message)
	}
	got.Message = ""
	want := Invalid{
		Kind: "WebhookEventSource", Name: delivery.Name{Namespace: "team-a", Name: "pods"}, UID: "uid-1", Generation: 3,
		Reason: hookv1.ReasonInvalidSpec,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.setSource(pods("uid-1", 4))
	if u = s.update(); len(u.Invalid) != 0 || len(u.Sources) != 1 {
		t.Errorf("once it is corrected: %+v", u)
	}
}

func TestStore_AnEditInterruptsNobody(t *testing.T) {
	t.Parallel()
	s := newStore(compile.BuiltinDefaults())
	old := billing("uid-1", 1)
	secret := credentials(t, old)
	s.setEndpoint(old, secret)
	first := s.update().Table.Endpoint(billingName)

	edited := billing("uid-1", 2)
	edited.Spec.URL = "https://new.example.com"
	if s.setEndpoint(edited, secret) || s.update().Table.Endpoint(billingName) != first {
		t.Error("the endpoint does not stay as it was until its new credentials are there")
	}
	// The operator was quicker with the third generation than the informer of the second.
	third := billing("uid-1", 3)
	if s.setEndpoint(edited, credentials(t, third)) {
		t.Error("credentials of a generation to come interrupt the endpoint")
	}
	if !s.setEndpoint(third, credentials(t, third)) || s.update().Table.Endpoint(billingName).Generation != 3 {
		t.Error("the new generation is not routed")
	}
}

func TestStore_SuspendingWorksWithoutTheOperator(t *testing.T) {
	t.Parallel()
	s := newStore(compile.BuiltinDefaults())
	old := billing("uid-1", 1)
	secret := credentials(t, old)
	s.setEndpoint(old, secret)
	suspend := true
	edited := billing("uid-1", 2)
	edited.Spec.Suspend = &suspend
	if !s.setEndpoint(edited, secret) {
		t.Fatal("suspending changes nothing")
	}
	e := s.update().Table.Endpoint(billingName)
	if !e.Suspended || e.Generation != 1 {
		t.Errorf("got suspended %t of generation %d, want true of the generation that is compiled", e.Suspended, e.Generation)
	}
}

func TestStore_ANewObjectOfTheNameWaitsForItsOwnCredentials(t *testing.T) {
	t.Parallel()
	s := newStore(compile.BuiltinDefaults())
	old := billing("uid-1", 1)
	secret := credentials(t, old)
	s.setEndpoint(old, secret)
	if !s.setEndpoint(billing("uid-2", 1), secret) || len(s.update().Invalid) != 1 {
		t.Error("the new object is sent to with the credentials of the old one")
	}
	if !s.dropEndpoint(billingName) || s.dropEndpoint(billingName) {
		t.Error("an endpoint goes twice, or never")
	}
}
