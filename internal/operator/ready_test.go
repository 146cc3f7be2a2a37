// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// probed is a manager that hands out its checks of readiness.
type probed struct {
	ctrl.Manager
	ready []healthz.Checker
}

// AddReadyzCheck keeps the check beside adding it.
func (p *probed) AddReadyzCheck(name string, check healthz.Checker) error {
	p.ready = append(p.ready, check)
	return p.Manager.AddReadyzCheck(name, check)
}

// TestAddChecks_NotReadyBeforeTheCachesAreFilled asks a manager whose caches were never started. That they
// are filled at some time, and the operator is ready then, the tests of the whole operator see.
func TestAddChecks_NotReadyBeforeTheCachesAreFilled(t *testing.T) {
	t.Parallel()
	inner, err := ctrl.NewManager(&rest.Config{Host: "127.0.0.1:1"}, ctrl.Options{Metrics: metricsserver.Options{BindAddress: "0"}})
	if err != nil {
		t.Fatal(err)
	}
	mgr := &probed{Manager: inner}
	if err := addChecks(mgr); err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil)
	var errs []error
	for _, check := range mgr.ready {
		errs = append(errs, check(request))
	}
	if err := errors.Join(errs...); !errors.Is(err, errNotSynced) {
		t.Errorf("error = %v, want %v", err, errNotSynced)
	}
}
