// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"errors"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/event"
)

// order is the event that most tests look at.
func order() *event.Event {
	return &event.Event{
		Namespace: "team-a", ID: "17", Source: "https://shop.example.com/orders", Type: "com.example.order.created",
		Subject: "orders/17", DataContentType: "application/json", Time: time.Date(2026, 11, 23, 10, 30, 0, 0, time.UTC),
		Extensions: map[string]any{"region": "eu", "attempt": int32(3), "dryrun": true, "blob": []byte{1}},
		Origin:     "system:serviceaccount:team-a:shop",
		Data: []byte(`{"id":"o-17","total":129.5,"count":3,"big":9007199254740993,"huge":18446744073709551615,"vast":1e400,` +
			`"paid":true,"note":null,"customer":{"email":"ann@example.com","tags":["vip","eu"]},"lines":[{"sku":"a","n":1},{"sku":"b","n":2}]}`),
	}
}

// mustMatch evaluates a filter that has to compile and to succeed.
func mustMatch(t *testing.T, expression string, e *event.Event) bool {
	t.Helper()
	m, err := NewMatcher([]string{"*"}, nil, expression)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	got, err := m.Matches(NewInput(e))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return got
}

// refusal returns err as an *Error.
func refusal(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error = %v, want an *Error", err)
	}
	return e
}
