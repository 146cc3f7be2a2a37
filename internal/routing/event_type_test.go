// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// orderType is a description of com.example.order of that age in seconds, with a schema.
func orderType(name string, created int64, raw string) *hookv1.WebhookEventType {
	return &hookv1.WebhookEventType{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "team-a", Name: name, UID: types.UID(name), Generation: 1, CreationTimestamp: metav1.NewTime(time.Unix(created, 0)),
		},
		Spec: hookv1.WebhookEventTypeSpec{Type: "com.example.order", Schema: &runtime.RawExtension{Raw: []byte(raw)}},
	}
}

func TestStore_OfOneTypeTheOldestDescriptionCounts(t *testing.T) {
	t.Parallel()
	s := newStore(compile.BuiltinDefaults())
	expect := func(what, ruler string, invalid map[string]string) {
		t.Helper()
		u := s.update()
		found := u.Types.Namespace("team-a")["com.example.order"]
		switch {
		case ruler == "" && found != nil:
			t.Errorf("%s: %s counts, want none", what, found.Name)
		case ruler != "" && (found == nil || found.Name != ruler):
			t.Errorf("%s: %v counts, want %s", what, found, ruler)
		}
		if len(u.Invalid) != len(invalid) {
			t.Errorf("%s: not routed are %v, want %v", what, u.Invalid, invalid)
		}
		for _, i := range u.Invalid {
			if i.Kind != hookv1.KindWebhookEventType || i.Reason != invalid[i.Name.Name] || i.Message == "" || i.UID == "" || i.Generation != 1 {
				t.Errorf("%s: not routed is %+v", what, i)
			}
		}
	}
	younger, older := orderType("a", 2, `{}`), orderType("b", 1, `{}`)
	if !s.setEventType(younger) {
		t.Error("a new description changes nothing")
	}
	expect("alone", "a", nil)
	s.setEventType(older)
	expect("beside an older one", "b", map[string]string{"a": hookv1.ReasonTypeConflict})

	broken := orderType("b", 1, `{"type":"strin"}`)
	broken.UID = "b2" // created again
	s.setEventType(broken)
	expect("beside an older one that cannot be used", "", map[string]string{
		"a": hookv1.ReasonTypeConflict, "b": hookv1.ReasonInvalidSpec,
	})
	if !s.dropEventType(delivery.Name{Namespace: "team-a", Name: "b"}) {
		t.Error("a deletion changes nothing")
	}
	expect("when the older one is gone", "a", nil)
}

func TestStore_CompilesATypeOncePerGeneration(t *testing.T) {
	t.Parallel()
	s := newStore(compile.BuiltinDefaults())
	obj := orderType("a", 1, `{}`)
	s.setEventType(obj)
	first := s.update().Types.Namespace("team-a")["com.example.order"]
	obj.Status.LastSeenTime = &metav1.Time{Time: time.Unix(5, 0)}
	if s.setEventType(obj) || s.update().Types.Namespace("team-a")["com.example.order"] != first {
		t.Error("a change of the status compiles the type anew")
	}
	obj.Generation = 2
	if !s.setEventType(obj) || s.update().Types.Namespace("team-a")["com.example.order"] == first {
		t.Error("a change of the spec is not taken up")
	}
}
