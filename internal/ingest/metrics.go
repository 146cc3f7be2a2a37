// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// answerCodes are the status codes that a Handler answers with.
var answerCodes = []int{
	http.StatusAccepted, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden,
	http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusRequestTimeout, http.StatusConflict,
	http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity,
	http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable,
}

// metrics are what a Handler counts.
type metrics struct {
	requests      map[int]prometheus.Counter
	accepted      prometheus.Counter
	duplicate     prometheus.Counter
	refused       prometheus.Counter
	bytes         prometheus.Counter
	violating     prometheus.Counter
	warned        prometheus.Counter
	duration      prometheus.Histogram
	windowEntries prometheus.Gauge
	evictions     prometheus.Counter
}

// newMetrics makes the metrics and registers them; a nil registerer leaves them unregistered.
func newMetrics(registerer prometheus.Registerer) *metrics {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "posthorn_ingest_requests_total",
		Help: "Requests to the ingest API by status code of the answer.",
	}, []string{"code"})
	events := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "posthorn_ingest_events_total",
		Help: "Events by result: accepted (stored), duplicate (stored before), refused (a refused request without readable events counts as one).",
	}, []string{"result"})
	violations := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "posthorn_ingest_schema_violations_total",
		Help: "Events whose data violates the schema of their type, by what became of them: refused (Enforce) or accepted (Warn).",
	}, []string{"result"})
	m := &metrics{
		requests:  map[int]prometheus.Counter{},
		accepted:  events.WithLabelValues("accepted"),
		duplicate: events.WithLabelValues("duplicate"),
		refused:   events.WithLabelValues("refused"),
		violating: violations.WithLabelValues("refused"),
		warned:    violations.WithLabelValues("accepted"),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "posthorn_ingest_bytes_total",
			Help: "Bytes of the bodies of accepted requests.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "posthorn_ingest_request_duration_seconds",
			Help:    "Time from the header of a request to its answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
		windowEntries: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "posthorn_ingest_dedup_window_entries",
			Help: "Events whose source and id are remembered.",
		}),
		evictions: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "posthorn_ingest_dedup_evictions_total",
			Help: "Events whose source and id were forgotten before the end of the window, for want of room.",
		}),
	}
	for _, code := range answerCodes {
		m.requests[code] = requests.WithLabelValues(strconv.Itoa(code))
	}
	if registerer != nil {
		registerer.MustRegister(requests, events, violations, m.bytes, m.duration, m.windowEntries, m.evictions)
	}
	return m
}

// showEvictedKeys registers what the log counts; a nil registerer leaves it unregistered.
func showEvictedKeys(registerer prometheus.Registerer, l Log) {
	if registerer == nil {
		return
	}
	registerer.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "posthorn_ingest_idempotency_key_evictions_total",
		Help: "Idempotency-Keys that were forgotten before their 24 hours, for want of room.",
	}, func() float64 { return float64(l.EvictedKeys()) }))
}

// answered counts one answer. A code that is not listed counts as 500: there is none.
func (m *metrics) answered(code int, took time.Duration) {
	counter, ok := m.requests[code]
	if !ok {
		counter = m.requests[http.StatusInternalServerError]
	}
	counter.Inc()
	m.duration.Observe(took.Seconds())
}
