// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package logapi

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/deliverylog"
	"github.com/posthorn-dev/posthorn/internal/event"
)

// Deliveries is the delivery log. *deliverylog.Log implements it.
type Deliveries interface {
	// Query returns a page of attempts, newest first.
	Query(ctx context.Context, q deliverylog.Query) (deliverylog.Page, error)
	// DeadLetters returns a page of dead letters, newest first.
	DeadLetters(ctx context.Context, q deliverylog.Query) (deliverylog.Page, error)
	// Event returns the event of a delivery; eventlog.ErrNotFound when it is gone.
	Event(ctx context.Context, namespace, deliveryID string) (*event.Event, error)
}

var _ Deliveries = (*deliverylog.Log)(nil)

// Access decides who may read. Gates of package access implement it.
type Access interface {
	// Pass returns the name of the user whom the token belongs to, when that user has the right in
	// the namespace; an empty one means in all namespaces. The error is a problem.Teller.
	Pass(ctx context.Context, token, namespace string) (username string, err error)
}

// CircuitView is one circuit as it is shown.
type CircuitView struct {
	// Endpoint is the endpoint whose requests go through the circuit.
	Endpoint delivery.Name
	// Scope is Endpoint for a circuit of its own, and Host for one that the endpoints of the
	// namespace with the same host share.
	Scope string
	breaker.Snapshot
}

const (
	// DefaultTimeout is how long one query may take.
	DefaultTimeout = 20 * time.Second
	// maxQueries is how many queries run at once: each may read many messages of the log, which
	// deliveries need more urgently.
	maxQueries = 4
)

// Options say what a Handler serves.
type Options struct {
	// Deliveries is the log. Required.
	Deliveries Deliveries
	// Circuits returns the circuits of a namespace, or of all when it is empty. Required.
	Circuits func(namespace string) []CircuitView
	// Access guards everything; EventAccess guards the events' content in addition. Both are
	// required unless AllowUnauthenticated is set.
	Access, EventAccess Access
	// AllowUnauthenticated lets everybody read everything when there is no Access.
	AllowUnauthenticated bool
	// Timeout replaces DefaultTimeout. It must lie below the server's write time-out.
	Timeout time.Duration
	// Logger receives faults of the server; nil means slog.Default.
	Logger *slog.Logger
}

// complete checks the options and sets the defaults.
func (o *Options) complete() error {
	if o.Deliveries == nil || o.Circuits == nil {
		return errors.New("create delivery log API: Deliveries and Circuits are required")
	}
	if (o.Access == nil) != o.AllowUnauthenticated || (o.Access == nil) != (o.EventAccess == nil) {
		return errors.New("create delivery log API: set either Access and EventAccess or AllowUnauthenticated")
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return nil
}
