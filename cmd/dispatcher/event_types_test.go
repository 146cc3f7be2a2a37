// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// postData posts plain JSON as an event of com.example.order.
func (d *dispatcher) postData(namespace, bearer, data string) (int, string) {
	return d.do(http.MethodPost, "http://"+d.started.Ingest+"/v1/namespaces/"+namespace+"/events/com.example.order", bearer,
		map[string]string{"Content-Type": "application/json"}, data)
}

// describe makes the description of com.example.order, whose only field is that name, of that type.
func describe(t *testing.T, namespace, name, field, fieldType string) *hookv1.WebhookEventType {
	t.Helper()
	obj := &hookv1.WebhookEventType{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       hookv1.WebhookEventTypeSpec{Type: "com.example.order", Schema: orderSchema(field, fieldType)},
	}
	create(t, obj)
	return obj
}

func orderSchema(field, fieldType string) *runtime.RawExtension {
	return &runtime.RawExtension{Raw: fmt.Appendf(nil, `{"type":"object","required":[%q],"properties":{%q:{"type":%q}}}`, field, field, fieldType)}
}

// awaitRouted waits until the dispatcher says of this generation whether it checks by it.
func awaitRouted(t *testing.T, obj *hookv1.WebhookEventType, status metav1.ConditionStatus, reason string) {
	t.Helper()
	eventually(t, "Routed of "+obj.Name+" is "+reason, func(ctx context.Context) (bool, error) {
		if err := admin.Get(ctx, client.ObjectKeyFromObject(obj), obj); err != nil {
			return false, err
		}
		c := meta.FindStatusCondition(obj.Status.Conditions, hookv1.ConditionRouted)
		return c != nil && c.ObservedGeneration == obj.Generation && c.Status == status && c.Reason == reason, nil
	})
}

func update(t *testing.T, obj *hookv1.WebhookEventType, edit func(*hookv1.WebhookEventTypeSpec)) {
	t.Helper()
	before := obj.DeepCopy()
	edit(&obj.Spec)
	if err := admin.Patch(t.Context(), obj, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}

func TestDispatcher_ChecksEventsByTheirType(t *testing.T) {
	namespace := tenant(t, "posthorn-producer", "posthorn-view")
	bearer := token(t, namespace, "posthorn")
	order := describe(t, namespace, "order", "total", "number")
	d := startDispatcher(t, own(t))
	awaitRouted(t, order, metav1.ConditionTrue, hookv1.ReasonLoaded)

	code, body := d.postData(namespace, bearer, `{"total":"12"}`)
	var refusal struct {
		Type       string
		Violations []struct{ Pointer, Detail string }
	}
	if err := json.Unmarshal([]byte(body), &refusal); err != nil || code != http.StatusUnprocessableEntity ||
		!strings.HasSuffix(refusal.Type, "/schema-violation") || len(refusal.Violations) != 1 || refusal.Violations[0].Pointer != "/total" {
		t.Fatalf("data that violates the schema: got %d: %s", code, body)
	}
	if code, body := d.postData(namespace, bearer, `{"total":12}`); code != http.StatusAccepted {
		t.Fatalf("valid data: got %d: %s", code, body)
	}
	eventually(t, "the status says when the type was seen", func(ctx context.Context) (bool, error) {
		err := admin.Get(ctx, client.ObjectKeyFromObject(order), order)
		return err == nil && order.Status.LastSeenTime != nil, err
	})

	// Who waits for Routed is right each time, not most times.
	for i := range 20 {
		field := fmt.Sprintf("field%d", i)
		update(t, order, func(s *hookv1.WebhookEventTypeSpec) { s.Schema = orderSchema(field, "string") })
		awaitRouted(t, order, metav1.ConditionTrue, hookv1.ReasonLoaded)
		if code, body := d.postData(namespace, bearer, `{"total":12}`); code != http.StatusUnprocessableEntity || !strings.Contains(body, field) {
			t.Fatalf("after change %d: got %d: %s", i, code, body)
		}
	}

	update(t, order, func(s *hookv1.WebhookEventTypeSpec) { s.Enforcement = hookv1.EnforcementWarn })
	awaitRouted(t, order, metav1.ConditionTrue, hookv1.ReasonLoaded)
	if code, body := d.postData(namespace, bearer, `{"total":12}`); code != http.StatusAccepted {
		t.Fatalf("with Warn: got %d: %s", code, body)
	}
	update(t, order, func(s *hookv1.WebhookEventTypeSpec) {
		s.Enforcement, s.Schema = hookv1.EnforcementEnforce, &runtime.RawExtension{Raw: []byte(`{"type":"strin"}`)}
	})
	awaitRouted(t, order, metav1.ConditionFalse, hookv1.ReasonInvalidSpec)
	if code, body := d.postData(namespace, bearer, `{"total":12}`); code != http.StatusAccepted {
		t.Fatalf("with a broken schema: got %d: %s", code, body)
	}
}

func TestDispatcher_ChecksByTheOldestOfOneType(t *testing.T) {
	namespace := tenant(t, "posthorn-producer")
	bearer := token(t, namespace, "posthorn")
	// Created within one second they are of one age, and the first by name counts; later, the older one.
	first := describe(t, namespace, "a", "a", "string")
	second := describe(t, namespace, "b", "b", "string")
	d := startDispatcher(t, own(t))
	awaitRouted(t, first, metav1.ConditionTrue, hookv1.ReasonLoaded)
	awaitRouted(t, second, metav1.ConditionFalse, hookv1.ReasonTypeConflict)
	if code, body := d.postData(namespace, bearer, `{"a":"x"}`); code != http.StatusAccepted {
		t.Fatalf("by the first: got %d: %s", code, body)
	}
	if err := admin.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	awaitRouted(t, second, metav1.ConditionTrue, hookv1.ReasonLoaded)
	if code, body := d.postData(namespace, bearer, `{"a":"x"}`); code != http.StatusUnprocessableEntity {
		t.Fatalf("by the second: got %d: %s", code, body)
	}
}

func TestDispatcher_ListsTheTypes(t *testing.T) {
	namespace, stranger := tenant(t, "posthorn-view"), tenant(t)
	order := describe(t, namespace, "order", "total", "number")
	d := startDispatcher(t, own(t))
	awaitRouted(t, order, metav1.ConditionTrue, hookv1.ReasonLoaded)
	reader, other := token(t, namespace, "posthorn"), token(t, stranger, "posthorn")
	for _, tc := range []struct {
		path, bearer string
		code         int
		holds        string
	}{
		{"/v1/eventtypes", other, http.StatusOK, `"type":"dev.posthorn.source.gap","builtIn":true`},
		{"/v1/eventtypes", "", http.StatusUnauthorized, "unauthenticated"},
		{"/v1/eventtypes?namespace=" + namespace, reader, http.StatusOK, `"type":"com.example.order","namespace":"` + namespace + `","name":"order"`},
		{"/v1/eventtypes?namespace=" + namespace, other, http.StatusForbidden, "get webhookeventtypes.posthorn.dev"},
	} {
		code, body := d.get(tc.path, tc.bearer)
		if code != tc.code || !strings.Contains(body, tc.holds) {
			t.Errorf("%s: got %d: %.300s, want %d with %s", tc.path, code, body, tc.code, tc.holds)
		}
	}
}
