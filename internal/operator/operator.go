// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package operator runs the control plane: a controller-runtime manager with the controllers, leader
// election, health endpoints and authenticated metrics.
//
// It wires and decides nothing: what is done to the resources is package controller's, and nothing
// here is needed for the delivery of an event.
package operator

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/config"
	"github.com/posthorn-dev/posthorn/internal/controller"
	"github.com/posthorn-dev/posthorn/internal/telemetry"
)

// leaderLease is the name of the Lease that the replicas compete for.
const leaderLease = "posthorn-operator"

// Run runs the operator until ctx ends. It returns nil after a graceful stop, and an error when it
// could not start or lost the leadership.
func Run(ctx context.Context, o Options) error {
	mgr, err := New(ctx, o)
	if err != nil {
		return err
	}
	mgr.GetLogger().Info("Started operator", "version", telemetry.Version(), "namespace", o.Namespace)
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("run manager: %w", err)
	}
	mgr.GetLogger().Info("Stopped operator")
	return nil
}

// New returns a manager that is ready to start.
func New(ctx context.Context, o Options) (ctrl.Manager, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	platform, err := config.Load(o.Config)
	if err != nil {
		return nil, err
	}
	if o.REST == nil {
		if o.REST, err = ctrl.GetConfig(); err != nil {
			return nil, fmt.Errorf("find the API server: %w", err)
		}
	}
	options, err := managerOptions(o)
	if err != nil {
		return nil, err
	}
	mgr, err := ctrl.NewManager(o.REST, options)
	if err != nil {
		return nil, fmt.Errorf("create manager: %w", err)
	}
	if err := controller.Setup(ctx, mgr, controller.Options{
		Namespace: o.Namespace, WatchNamespaces: o.WatchNamespaces, IngestNames: o.IngestNames, Defaults: platform.Defaults,
	}); err != nil {
		return nil, err
	}
	return mgr, addChecks(mgr)
}

// NewScheme returns the types that the operator reads and writes.
func NewScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, hookv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("build scheme: %w", err)
		}
	}
	return scheme, nil
}

func managerOptions(o Options) (ctrl.Options, error) {
	scheme, err := NewScheme()
	if err != nil {
		return ctrl.Options{}, err
	}
	return ctrl.Options{
		Scheme:                        scheme,
		Cache:                         controller.Scope(o.Namespace, o.WatchNamespaces),
		LeaderElection:                o.LeaderElection,
		LeaderElectionID:              leaderLease,
		LeaderElectionNamespace:       o.Namespace,
		LeaderElectionReleaseOnCancel: true,
		HealthProbeBindAddress:        o.HealthAddress,
		GracefulShutdownTimeout:       &o.GracePeriod,
		Metrics: metricsserver.Options{
			BindAddress:    o.MetricsAddress,
			SecureServing:  true,
			CertDir:        o.MetricsCertificates,
			FilterProvider: filters.WithAuthenticationAndAuthorization,
		},
	}, nil
}

// addChecks makes a replica healthy while it runs, and ready once its caches are filled: a replica
// that waits for the leadership fills none and is ready too, to take over.
func addChecks(mgr ctrl.Manager) error {
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("add health check: %w", err)
	}
	if err := mgr.AddReadyzCheck("caches", cachesSynced(mgr)); err != nil {
		return fmt.Errorf("add readiness check: %w", err)
	}
	return nil
}
