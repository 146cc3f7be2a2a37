// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"io"
	"time"

	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
)

// Actions of Kubernetes Events: what the operator was doing.
const (
	actionReconcile = "Reconcile"
	actionProvision = "ProvisionKey"
	actionRotate    = "RotateKey"
)

// Base is what the reconcilers of all kinds share. Every field is required.
type Base struct {
	// Client reads from the manager's cache and writes to the API server. Of Secrets the cache holds
	// only those with the label posthorn.dev/use.
	Client client.Client
	// Live reads from the API server: what the cache does not hold, and what must not be stale.
	Live client.Reader
	// Recorder writes Kubernetes Events.
	Recorder events.EventRecorder
	// Namespace is Posthorn's own, where the dispatcher reads its Secrets.
	Namespace string
	// Watched are the namespaces whose resources are looked at; none means all.
	Watched []string
	// Defaults are the platform's values for what a spec leaves open.
	Defaults compile.Defaults
	// Dispatcher knows whether the dispatcher is there.
	Dispatcher *DispatcherWatch
	// Schemas has the schemas of the resources that event sources watch.
	Schemas *Schemas
	// Now is the clock.
	Now func() time.Time
	// Random is where new keys come from.
	Random io.Reader

	memos memos
}

// kindOf names the kind of an object for metrics.
func kindOf(obj client.Object) string {
	switch obj.(type) {
	case *hookv1.WebhookEndpoint:
		return hookv1.KindWebhookEndpoint
	case *hookv1.WebhookEventType:
		return hookv1.KindWebhookEventType
	case *hookv1.WebhookEventSource:
		return hookv1.KindWebhookEventSource
	default:
		return hookv1.KindWebhookSubscription
	}
}
