// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/catalogue"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/schema"
)

// described is a description of com.example.order.
func described(raw string, examples ...string) *hookv1.WebhookEventType {
	obj := &hookv1.WebhookEventType{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "order", UID: "u", Generation: 3},
		Spec:       hookv1.WebhookEventTypeSpec{Type: "com.example.order", Description: "An order.", Enforcement: hookv1.EnforcementWarn},
	}
	if raw != "" {
		obj.Spec.Schema = &runtime.RawExtension{Raw: []byte(raw)}
	}
	for _, e := range examples {
		obj.Spec.Examples = append(obj.Spec.Examples, runtime.RawExtension{Raw: []byte(e)})
	}
	return obj
}

func TestEventType_Compiles(t *testing.T) {
	t.Parallel()
	got, err := compile.EventType(described(`{"type":"object","properties":{"total":{"type":"number"}}}`, `{"total":1}`))
	if err != nil {
		t.Fatal(err)
	}
	if got.Namespace != "team-a" || got.Name != "order" || got.UID != "u" || got.Generation != 3 || got.Type != "com.example.order" ||
		got.Description != "An order." || !got.Warn || got.Schema == nil || len(got.Raw) == 0 || len(got.Examples) != 1 {
		t.Errorf("got %+v", got)
	}
	if got, err = compile.EventType(described("", `{"any":"thing"}`)); err != nil || got.Schema != nil {
		t.Errorf("without a schema: %+v, %v", got, err)
	}
}

func TestEventType_RefusesWhatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		obj        *hookv1.WebhookEventType
		path, want string
		cause      error
	}{
		"a schema that is none":           {described(`{"type":"strin"}`), "spec.schema", "at /type", nil},
		"a schema elsewhere":              {described(`{"$ref":"https://example.com/a"}`), "spec.schema", "nothing is fetched", schema.ErrRemoteRef},
		"an example that is not valid":    {described(`{"required":["a"]}`, `{"a":1}`, `{}`), "spec.examples[1]", `misses the property "a"`, compile.ErrExample},
		"an example that is far too long": {described("", `{"a":"`+strings.Repeat("x", 17<<10)+`"}`), "spec.examples[0]", "longer than 16384 bytes", compile.ErrExample},
		"no type":                         {&hookv1.WebhookEventType{}, "spec.type", "must not be empty", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := compile.EventType(tc.obj)
			var e *compile.Error
			if !errors.As(err, &e) || e.Path != tc.path || !strings.Contains(e.Message, tc.want) {
				t.Fatalf("got %v, want one of %s with %q", err, tc.path, tc.want)
			}
			if tc.cause != nil && !errors.Is(err, tc.cause) {
				t.Errorf("got %v, want the cause %v", err, tc.cause)
			}
		})
	}
}

func TestRules_TheOlderOneThenTheFirstByName(t *testing.T) {
	t.Parallel()
	at := func(name string, seconds int64) *hookv1.WebhookEventType {
		return &hookv1.WebhookEventType{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(time.Unix(seconds, 0))}}
	}
	if !compile.Rules(at("z", 1), at("a", 2)) || compile.Rules(at("a", 2), at("z", 1)) {
		t.Error("the younger one rules")
	}
	if !compile.Rules(at("a", 1), at("b", 1)) || compile.Rules(at("b", 1), at("a", 1)) {
		t.Error("of two of one age the second by name rules")
	}
}

func TestCheckFields_SaysNothingOfTypesThatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	order, err := compile.EventType(described(`{"type":"object","properties":{"total":{"type":"number"},"ship to":{"properties":{"zip":{}}},"items":{"items":{"properties":{"sku":{}}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]*catalogue.Type{
		"com.example.order": order,
		"com.example.note":  {Type: "com.example.note"},
		"dev.posthorn.kubernetes.apps.deployment.updated": catalogue.BuiltinOf("dev.posthorn.kubernetes.apps.deployment.updated"),
	}
	for name, tc := range map[string]struct {
		types             []hookv1.EventTypePattern
		filter, transform string
		want              string
	}{
		"a field that is there":        {[]hookv1.EventTypePattern{"com.example.order"}, "event.data.total > 1", "", ""},
		"a field that is not":          {[]hookv1.EventTypePattern{"com.example.order"}, "event.data.totl > 1", "", "spec.filter: line 1, column 11: event.data.totl does not exist in com.example.order; the nearest is event.data.total"},
		"a name with a space":          {[]hookv1.EventTypePattern{"com.example.order"}, `event.data["ship to"].zp == 1`, "", `event.data["ship to"].zp does not exist in com.example.order; the nearest is event.data["ship to"].zip`},
		"an element":                   {[]hookv1.EventTypePattern{"com.example.order"}, "event.data.items.exists(i, i.sk == 1)", "", "event.data.items[].sk does not exist in com.example.order; the nearest is event.data.items[].sku"},
		"in the transform":             {[]hookv1.EventTypePattern{"com.example.order"}, "", `{"a": event.data.totl}`, "spec.payload.transform: line 1, column 17"},
		"a type without a schema":      {[]hookv1.EventTypePattern{"com.example.order", "com.example.note"}, "event.data.totl > 1", "", ""},
		"a type that nobody describes": {[]hookv1.EventTypePattern{"com.example.order", "com.example.x"}, "event.data.totl > 1", "", ""},
		"a pattern":                    {[]hookv1.EventTypePattern{"com.example.*"}, "event.data.totl > 1", "", ""},
		"all":                          {[]hookv1.EventTypePattern{"*"}, "event.data.totl > 1", "", ""},
		"one of Posthorn's own":        {[]hookv1.EventTypePattern{"dev.posthorn.kubernetes.apps.deployment.updated"}, "event.data.nmae == 'web'", "", "the nearest is event.data.name"},
		"an object as it comes":        {[]hookv1.EventTypePattern{"dev.posthorn.kubernetes.apps.deployment.updated"}, "event.data.object.spec.replicas > 1", "", ""},
		"what does not compile":        {[]hookv1.EventTypePattern{"com.example.order"}, "event.data.totl >", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			obj := &hookv1.WebhookSubscription{Spec: hookv1.WebhookSubscriptionSpec{EventTypes: tc.types, Filter: tc.filter}}
			if tc.transform != "" {
				obj.Spec.Payload = &hookv1.Payload{Transform: tc.transform}
			}
			err := compile.CheckFields(obj, compile.ReadsOf(obj), types)
			switch {
			case tc.want == "" && err != nil, tc.want != "" && (!errors.Is(err, compile.ErrField) || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
