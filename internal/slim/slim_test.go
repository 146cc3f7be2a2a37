// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package slim_test

import (
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/slim"
)

// fields is a field set with memory of its own.
func fields(text string) *metav1.FieldsV1 {
	f := &metav1.FieldsV1{}
	f.SetRawBytes([]byte(text))
	return f
}

// endpoint is one as the API server gives it out, sharing memory with no other.
func endpoint(name string) *hookv1.WebhookEndpoint {
	at := metav1.NewTime(time.Unix(1, 0))
	e := &hookv1.WebhookEndpoint{ObjectMeta: metav1.ObjectMeta{
		Name: name, Namespace: strings.Clone("team-a"), ResourceVersion: "7",
		Labels:      map[string]string{strings.Clone("app"): name},
		Annotations: map[string]string{corev1.LastAppliedConfigAnnotation: "{}", hookv1.AnnotationEnable: "1"},
		ManagedFields: []metav1.ManagedFieldsEntry{
			{Manager: "kubectl", Operation: metav1.ManagedFieldsOperationApply, Time: &at, FieldsV1: fields(`{"f:spec":{}}`)},
			{Manager: hookv1.FieldManagerOperator, Operation: metav1.ManagedFieldsOperationApply, Subresource: "status", Time: &at, FieldsV1: fields(`{"f:status":{}}`)},
		},
	}}
	e.Spec.URL = "https://example.com"
	e.Status.Conditions = []metav1.Condition{
		{Type: hookv1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Succeeded", Message: strings.Clone("Fine.")},
		{Type: hookv1.ConditionRouted, Status: metav1.ConditionTrue, Reason: "Loaded", Message: "Of " + name + "."},
	}
	return e
}

func TestTransform_KeepsWhatIsLookedAt(t *testing.T) {
	t.Parallel()
	want := endpoint("a")
	delete(want.Annotations, corev1.LastAppliedConfigAnnotation)
	own := want.ManagedFields[1]
	own.Time = nil
	for name, tc := range map[string]struct {
		options    slim.Options
		managed    []metav1.ManagedFieldsEntry
		conditions []metav1.Condition
	}{
		"everything of a manager": {slim.Options{Manager: hookv1.FieldManagerOperator}, []metav1.ManagedFieldsEntry{own}, want.Status.Conditions},
		"nothing of managers":     {slim.Options{}, nil, want.Status.Conditions},
		"some conditions":         {slim.Options{Conditions: []string{hookv1.ConditionRouted}}, nil, want.Status.Conditions[1:]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := slim.Transform(tc.options)(endpoint("a"))
			if err != nil {
				t.Fatal(err)
			}
			want := want.DeepCopy()
			want.ManagedFields, want.Status.Conditions = tc.managed, tc.conditions
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTransform_SharesWhatIsTheSame(t *testing.T) {
	t.Parallel()
	transform := slim.Transform(slim.Options{Manager: hookv1.FieldManagerOperator})
	of := func(name string) *hookv1.WebhookEndpoint {
		got, err := transform(endpoint(name))
		if err != nil {
			t.Fatal(err)
		}
		return got.(*hookv1.WebhookEndpoint)
	}
	a, b := of("a"), of("b")
	if a.ManagedFields[0].FieldsV1 != b.ManagedFields[0].FieldsV1 {
		t.Error("two objects have a copy each of one field set")
	}
	if x, y := a.Namespace, b.Namespace; unsafe.StringData(x) != unsafe.StringData(y) {
		t.Error("two objects have a copy each of one namespace")
	}
	if x, y := a.Status.Conditions[0].Message, b.Status.Conditions[0].Message; unsafe.StringData(x) != unsafe.StringData(y) {
		t.Error("two objects have a copy each of one message")
	}
}

func TestTransform_KeepsWhatIsWrittenBackOfSecrets(t *testing.T) {
	t.Parallel()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "s", Annotations: map[string]string{corev1.LastAppliedConfigAnnotation: "{}"}},
		Data:       map[string][]byte{"key": []byte("value")},
	}
	got, err := slim.Transform(slim.Options{})(secret.DeepCopy())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(secret, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTransform_LeavesTombstonesAlone(t *testing.T) {
	t.Parallel()
	want := toolscache.DeletedFinalStateUnknown{Key: "team-a/a", Obj: endpoint("a")}
	got, err := slim.Transform(slim.Options{})(want)
	if err != nil || got != any(want) {
		t.Errorf("got %v and error %v, want the tombstone as it was", got, err)
	}
}
