// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	"github.com/posthorn-dev/posthorn/internal/access"
	"github.com/posthorn-dev/posthorn/internal/config"
	"github.com/posthorn-dev/posthorn/internal/deliverylog"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/ingest"
	"github.com/posthorn-dev/posthorn/internal/logapi"
	"github.com/posthorn-dev/posthorn/internal/problem"
)

// metricsReviews is how many TokenReviews a second scrapers may cause. Producers and readers have the
// rest of what the API server is asked for.
const metricsReviews = 2

// doors are who may come in.
type doors struct {
	api, metrics *access.Access
}

// newDoors returns the doors. That of the metrics also takes tokens for the API server, since those
// are what scrapers have.
func newDoors(o *RunOptions, cluster *rest.Config, registry prometheus.Registerer) (doors, error) {
	issuers, err := o.issuers(cluster)
	if err != nil {
		return doors{}, err
	}
	options := access.Options{
		Issuers:                issuers,
		AllowAPIServerAudience: o.AllowAPIServerAudience,
		TokenReviewsPerSecond:  access.DefaultTokenReviewsPerSecond - metricsReviews,
		Registerer:             registry,
	}
	api, err := access.NewForConfig(cluster, options)
	if err != nil {
		return doors{}, fmt.Errorf("create access: %w", err)
	}
	options.AllowAPIServerAudience, options.Registerer = true, nil
	options.TokenReviewsPerSecond = metricsReviews
	metrics, err := access.NewForConfig(cluster, options)
	if err != nil {
		return doors{}, fmt.Errorf("create access to metrics: %w", err)
	}
	return doors{api, metrics}, nil
}

// newIngest returns what takes events for the dispatcher.
func newIngest(
	o *RunOptions, rates config.Ingest, log *eventlog.Log, d *Dispatcher, types ingest.Types, in doors,
	registry prometheus.Registerer,
) (*ingest.Handler, error) {
	options := ingest.Options{
		Log:                  log,
		AllowUnauthenticated: o.AllowUnauthenticatedIngest,
		Quota:                newQuota(d, rates),
		Types:                types,
		Ready:                d.Accepting,
		Registerer:           registry,
		Logger:               o.Logger,
	}
	if !o.AllowUnauthenticatedIngest {
		options.Access = in.api.Gate(access.PostEvents)
	}
	return ingest.New(options)
}

// newLogAPI returns what shows the attempts, the dead letters and the circuits of the dispatcher.
func newLogAPI(o *RunOptions, log *eventlog.Log, d *Dispatcher, in doors) (*logapi.Handler, error) {
	return logapi.New(logapi.Options{
		Deliveries:  deliverylog.New(log),
		Circuits:    d.circuitViews,
		Access:      in.api.Gate(access.ReadDeliveries),
		EventAccess: in.api.Gate(access.ReadDeliveryEvents),
		Logger:      o.Logger,
	})
}

// newTypesAPI returns what shows the catalogue of event types.
func newTypesAPI(types *eventTypes, in doors) (*logapi.TypesHandler, error) {
	return logapi.NewTypes(logapi.TypesOptions{
		Types:   types.of,
		Anybody: in.api.Anybody(),
		Access:  in.api.Gate(access.ReadEventTypes),
	})
}

// circuitViews are the circuits in the form of the log API.
func (d *Dispatcher) circuitViews(namespace string) []logapi.CircuitView {
	circuits := d.Circuits(namespace)
	views := make([]logapi.CircuitView, len(circuits))
	for i, c := range circuits {
		views[i] = logapi.CircuitView{Endpoint: c.Endpoint, Scope: "Endpoint", Snapshot: c.Snapshot}
		if c.Shared {
			views[i].Scope = "Host"
		}
	}
	return views
}

// routes puts ingest, the log API and the catalogue behind one address.
func routes(in *ingest.Handler, api *logapi.Handler, types *logapi.TypesHandler) http.Handler {
	mux := http.NewServeMux()
	in.Mount(mux)
	api.Mount(mux)
	types.Mount(mux)
	mux.Handle("/", problem.NotFound.New("There is nothing at this path: "+
		"events are posted to /v1/namespaces/{namespace}/events."))
	return mux
}
