// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sample is an event that has everything.
func sample() *Event {
	return &Event{
		Namespace: "team-a", ID: "order-17", Source: "https://shop.example.com/orders", Type: "com.example.order.created",
		Subject: "orders/17", DataContentType: "application/json", DataSchema: "https://example.com/schemas/order",
		Time:       time.Date(2026, 11, 23, 10, 30, 0, 123456789, time.UTC),
		Extensions: map[string]any{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "attempt": int32(-3), "dryrun": true},
		Origin:     "system:serviceaccount:team-a:shop",
		Data:       []byte(`{"id":17,"total":129.5,"lines":[{"sku":"a","n":1}],"note":"früh"}`),
	}
}

// wantRefusal holds err to be the refusal of an attribute.
func wantRefusal(t *testing.T, err error, kind ErrorKind, attribute string, index int) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error = %v, want a refusal", err)
	}
	if e.Kind != kind || e.Attribute != attribute || e.Index != index {
		t.Errorf("refusal = %s of %q at %d (%s), want %s of %q at %d", e.Kind, e.Attribute, e.Index, e, kind, attribute, index)
	}
	if e.Message == "" || strings.ContainsFunc(e.Error(), func(r rune) bool { return r < ' ' }) {
		t.Errorf("message = %q, want one line of text", e.Error())
	}
}

// wantEvent holds an event to be another one.
func wantEvent(t *testing.T, got, want *Event) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

// nested is JSON of arrays in arrays.
func nested(depth int) string {
	return strings.Repeat("[", depth) + strings.Repeat("]", depth)
}
