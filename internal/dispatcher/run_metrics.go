// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	certutil "k8s.io/client-go/util/cert"

	"github.com/posthorn-dev/posthorn/internal/access"
	"github.com/posthorn-dev/posthorn/internal/problem"
	"github.com/posthorn-dev/posthorn/internal/telemetry"
)

// newRegistry returns a registry with what every process has to show.
func newRegistry() *prometheus.Registry {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "posthorn_build_info", Help: "Always 1; the label says which version runs.",
		ConstLabels: prometheus.Labels{"version": telemetry.Version()},
	})
	build.Set(1)
	registry := prometheus.NewRegistry()
	registry.MustRegister(build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// metricsHandler serves /metrics to those who may get that path.
func metricsHandler(o *RunOptions, registry *prometheus.Registry, in doors) http.Handler {
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		Registry: registry,
		// One collector that fails does not hide the others.
		ErrorHandling: promhttp.ContinueOnError,
	})
	if !o.MetricsInsecure {
		metrics = guarded(in.metrics.Gate(access.ReadMetrics), metrics)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	return mux
}

// guarded lets only those pass whom the gate does.
func guarded(gate *access.Gate, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := problem.Bearer(r)
		if err == nil {
			_, err = gate.Pass(r.Context(), token, "")
		}
		if err != nil {
			problem.From(err).Write(w)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// metricsTLS returns the TLS of the metrics: that of ingest, or else with a certificate that the
// process makes for itself, so that the tokens of scrapers are not sent in the clear.
func metricsTLS(o *RunOptions, ofIngest *tls.Config) (*tls.Config, error) {
	switch {
	case o.MetricsInsecure || o.MetricsAddress == none:
		return nil, nil
	case ofIngest != nil:
		return ofIngest.Clone(), nil
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("read host name: %w", err)
	}
	cert, key, err := certutil.GenerateSelfSignedCertKey(host, nil, []string{"localhost"})
	if err != nil {
		return nil, fmt.Errorf("make certificate of metrics: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("make certificate of metrics: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}
