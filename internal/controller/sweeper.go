// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
)

// sweepInterval is how often credentials without an endpoint are looked for, beside the start: only
// a deletion that the operator missed while it was away leaves any.
const sweepInterval = 10 * time.Minute

// Sweeper deletes the credentials of endpoints that were deleted while no operator ran.
type Sweeper struct {
	*Base
}

// Start sweeps at once and then every 10 minutes, until ctx ends. The manager runs it on the leader,
// when the caches are filled.
func (s *Sweeper) Start(ctx context.Context) error {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "Sweep of credentials ended early")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// sweep looks at all credentials once.
func (s *Sweeper) sweep(ctx context.Context) error {
	var list corev1.SecretList
	if err := s.Client.List(ctx, &list, client.InNamespace(s.Namespace)); err != nil {
		return fmt.Errorf("list secrets: %w", err)
	}
	var errs []error
	for i := range list.Items {
		errs = append(errs, s.sweepOne(ctx, &list.Items[i]))
	}
	return errors.Join(errs...)
}

// sweepOne deletes one Secret if its endpoint is gone. It asks the API server, since a cache that
// lags behind would take the credentials from a new endpoint.
func (s *Sweeper) sweepOne(ctx context.Context, secret *corev1.Secret) error {
	namespace, name, ok := strings.Cut(secret.Annotations[hookv1.AnnotationEndpoint], "/")
	if secret.Type != hookv1.SecretTypeEndpointCredentials || !ok || secret.Name != compile.CredentialsName(namespace, name) {
		return nil
	}
	if len(s.Watched) > 0 && !slices.Contains(s.Watched, namespace) {
		return nil // whether its endpoint is there may not be asked
	}
	var obj hookv1.WebhookEndpoint
	err := s.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &obj)
	switch {
	case apierrors.IsNotFound(err):
		return s.deleteCredentials(ctx, secret)
	case err != nil:
		return fmt.Errorf("get webhook endpoint %s/%s: %w", namespace, name, err)
	}
	return nil
}
