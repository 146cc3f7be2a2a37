// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationac "k8s.io/client-go/applyconfigurations/coordination/v1"
	"k8s.io/client-go/kubernetes"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// LeaseName is the name of the Lease that a dispatcher keeps in Posthorn's own namespace.
const LeaseName = "posthorn-dispatcher"

const (
	// renewInterval is how often the Lease is renewed. The operator takes the dispatcher for gone after
	// 5 minutes, 30 renewals.
	renewInterval = 10 * time.Second
	// retryInterval is how soon a renewal that failed is tried again.
	retryInterval = 2 * time.Second
	// leaseSeconds is what the Lease promises: three renewals.
	leaseSeconds = 30
	// renewTimeout bounds one renewal.
	renewTimeout = 5 * time.Second
)

// LeaseOptions configure a Lease.
type LeaseOptions struct {
	// Config says how the API server is reached. Required.
	Config *rest.Config
	// Namespace is Posthorn's own. Required.
	Namespace string
	// Identity names the process that holds the Lease, such as its pod. Required.
	Identity string
	// Log takes what fails; nil means slog.Default.
	Log *slog.Logger
}

// Lease tells the operator that the dispatcher is there.
type Lease struct {
	options LeaseOptions
	leases  coordinationclient.LeaseInterface
	since   metav1.MicroTime
	failing bool
}

// NewLease returns a Lease that is not held before Run. It does not speak to the API server.
func NewLease(o LeaseOptions) (*Lease, error) {
	if o.Config == nil || o.Namespace == "" || o.Identity == "" {
		return nil, errors.New("configure lease: Config, Namespace and Identity are required")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	clients, err := kubernetes.NewForConfig(o.Config)
	if err != nil {
		return nil, fmt.Errorf("create lease client: %w", err)
	}
	return &Lease{options: o, leases: clients.CoordinationV1().Leases(o.Namespace)}, nil
}

// Run renews the Lease every 10 s until ctx ends, and then returns nil. It does not give the Lease up:
// a dispatcher that starts again within 5 minutes was never gone.
func (l *Lease) Run(ctx context.Context) error {
	l.since = metav1.NowMicro()
	for {
		err := l.renew(ctx)
		if ctx.Err() != nil {
			return nil
		}
		wait := renewInterval
		if err != nil {
			wait = retryInterval
		}
		if failing := err != nil; failing != l.failing {
			l.failing = failing
			l.report(err)
		}
		if !sleepUntil(ctx, time.Now().Add(wait)) {
			return nil
		}
	}
}

// report logs that renewals began to fail, or work again.
func (l *Lease) report(err error) {
	if err != nil {
		l.options.Log.Warn("Could not renew the Lease", "lease", LeaseName, "error", err, "nextAttemptIn", retryInterval)
		return
	}
	l.options.Log.Info("Renewed the Lease again", "lease", LeaseName)
}

// renew writes the Lease. Only one dispatcher runs at a time, so that it may take over what a
// predecessor left.
func (l *Lease) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	lease := coordinationac.Lease(LeaseName, l.options.Namespace).
		WithLabels(map[string]string{hookv1.LabelManagedBy: hookv1.ManagedBy}).
		WithSpec(coordinationac.LeaseSpec().
			WithHolderIdentity(l.options.Identity).
			WithLeaseDurationSeconds(leaseSeconds).
			WithAcquireTime(l.since).
			WithRenewTime(metav1.NowMicro()))
	_, err := l.leases.Apply(ctx, lease, metav1.ApplyOptions{FieldManager: hookv1.FieldManagerDispatcher, Force: true})
	if err != nil {
		return fmt.Errorf("apply lease: %w", err)
	}
	return nil
}
