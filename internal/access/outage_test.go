// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/access"
	"github.com/posthorn-dev/posthorn/internal/problem"
)

// TestGate_KnownCallersPassWhileTheAPIServerIsAway expires every answer at once, so that each pass of
// the outage relies on an expired one.
func TestGate_KnownCallersPassWhileTheAPIServerIsAway(t *testing.T) {
	namespace := tenant(t)
	grant(t, namespace, account(namespace))
	a, _ := newAccess(t, access.Options{TTL: time.Nanosecond, Timeout: 2 * time.Second})
	gate := a.Gate(access.PostEvents)
	known, unknown := token(t, namespace, access.Audience), token(t, namespace, access.Audience)
	if _, err := gate.Pass(t.Context(), known, namespace); err != nil {
		t.Fatal(err)
	}

	if err := kube.StopAPIServer(); err != nil {
		t.Fatal(err)
	}
	back := false
	defer func() {
		if !back {
			_ = kube.StartAPIServer()
		}
	}()
	for range 50 {
		if _, err := gate.Pass(t.Context(), known, namespace); err != nil {
			t.Fatalf("a known caller was refused: %v", err)
		}
	}
	_, err := gate.Pass(t.Context(), unknown, namespace)
	if !errors.Is(err, access.ErrUnavailable) {
		t.Fatalf("error %v for an unknown caller, want ErrUnavailable", err)
	}
	if p := problem.From(err); p.Status != http.StatusServiceUnavailable || p.RetryAfter <= 0 {
		t.Errorf("answer %d, Retry-After %s", p.Status, p.RetryAfter)
	}
	if _, err := gate.Pass(t.Context(), known, "another-namespace"); !errors.Is(err, access.ErrUnavailable) {
		t.Errorf("error %v for an unknown right, want ErrUnavailable", err)
	}

	if err := kube.StartAPIServer(); err != nil {
		t.Fatal(err)
	}
	back = true
	if _, err := gate.Pass(t.Context(), unknown, namespace); err != nil {
		t.Errorf("the caller was refused when the API server was back: %v", err)
	}
}
