// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"fmt"
	"log/slog"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// Budgets of writes over all objects, in writes per second.
const (
	// routedPerSecond is that of objects whose condition Routed changes: somebody waits for it.
	routedPerSecond = 200
	// othersPerSecond is that of everything else, Kubernetes Events included.
	othersPerSecond = 20
)

// How many writes of each budget may be under way. They bound the load of a slow API server, and at
// 40 ms a write they do not hold up the budget of Routed.
const (
	routedInFlight = 8
	othersInFlight = 4
)

// Options configure a Writer.
type Options struct {
	// Config says how the API server is reached. Required.
	Config *rest.Config
	// Reader tells what is stored of an object when its first facts come, and under which resource
	// version it is written. It must answer from memory, as the informers of package routing do.
	// Required.
	Reader client.Reader
	// Log takes what fails; nil means slog.Default.
	Log *slog.Logger
}

// connect returns the client that writes, and the broadcaster of Kubernetes Events. Their budgets are
// kept here, so that client-go's own, of 5 requests a second, is switched off.
func connect(config *rest.Config) (client.Client, events.EventBroadcaster, error) {
	scheme := runtime.NewScheme()
	if err := hookv1.AddToScheme(scheme); err != nil {
		return nil, nil, fmt.Errorf("build scheme: %w", err)
	}
	unlimited := rest.CopyConfig(config)
	unlimited.QPS = -1
	c, err := client.New(unlimited, client.Options{Scheme: scheme})
	if err != nil {
		return nil, nil, fmt.Errorf("create status client: %w", err)
	}
	clients, err := kubernetes.NewForConfig(unlimited)
	if err != nil {
		return nil, nil, fmt.Errorf("create event client: %w", err)
	}
	return c, events.NewBroadcaster(&events.EventSinkImpl{Interface: clients.EventsV1()}), nil
}
