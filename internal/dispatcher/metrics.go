// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// metrics are the counters of the data plane. None has a label that a tenant decides about.
type metrics struct {
	matched, delivered       prometheus.Counter
	deadLetters              *prometheus.CounterVec
	attempts                 *prometheus.CounterVec
	duration                 prometheus.Histogram
	transitions              *prometheus.CounterVec
	filterErrors, unreadable prometheus.Counter
	flushErrors, refused     prometheus.Counter
	trimmed                  *prometheus.CounterVec
	bytes, limit             *prometheus.GaugeVec
	retired                  figures
}

// What can be full, so that something is removed before its time.
const (
	fullShare   = "share"
	fullStorage = "storage"
)

// newMetrics makes the metrics, with every label value that there is.
func newMetrics() *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "posthorn_dispatcher_" + name, Help: help})
	}
	vector := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "posthorn_dispatcher_" + name, Help: help}, labels)
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "posthorn_dispatcher_" + name, Help: help}, []string{"stream"})
	}
	m := &metrics{
		matched:     counter("deliveries_matched_total", "Deliveries that came to be: an event and a subscription that wants it."),
		delivered:   counter("deliveries_delivered_total", "Deliveries that ended with an answer of 2xx."),
		deadLetters: vector("dead_letters_total", "Deliveries that ended without success, by reason.", "reason"),
		attempts:    vector("attempts_total", "Attempts, by result and reason of failure.", "result", "reason"),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "posthorn_dispatcher_attempt_duration_seconds", Help: "How long attempts took.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}),
		transitions:  vector("circuit_transitions_total", "Changes of circuits, by the state that they came to.", "state"),
		filterErrors: counter("filter_errors_total", "Filters that could not be evaluated on an event, which then did not match."),
		unreadable:   counter("unreadable_records_total", "Stored events and deliveries that this build could not read. Deliveries stay stored; an event is delivered to nobody."),
		flushErrors:  counter("flush_errors_total", "Tries to record outcomes that failed; they are repeated."),
		refused:      counter("refused_over_share_total", "Requests of producers that were refused since their namespace holds its share of the storage."),
		trimmed:      vector("trimmed_total", "Settled events and dead letters that were removed before their time, by what was full: the share of their namespace, or the storage.", "stream", "full"),
		bytes:        gauge("storage_bytes", "Size of the event log."),
		limit:        gauge("storage_limit_bytes", "What the event log may take."),
	}
	m.attempts.WithLabelValues("success", "")
	for _, r := range delivery.FailureReasons() {
		m.attempts.WithLabelValues("failure", string(r))
	}
	for _, r := range delivery.DeadLetterReasons() {
		m.deadLetters.WithLabelValues(string(r))
	}
	for _, s := range []breaker.State{breaker.Closed, breaker.Open, breaker.HalfOpen} {
		m.transitions.WithLabelValues(string(s))
	}
	for _, full := range []string{fullShare, fullStorage} {
		m.trimmed.WithLabelValues("events", full)
		m.trimmed.WithLabelValues("dead_letters", full)
	}
	return m
}

// attempt counts an attempt.
func (m *metrics) attempt(r *delivery.Record) {
	result := "success"
	if r.Reason != delivery.ReasonNone {
		result = "failure"
	}
	m.attempts.WithLabelValues(result, string(r.Reason)).Inc()
	m.duration.Observe(r.Duration.Seconds())
}

// ended counts the recorded end of a delivery.
func (m *metrics) ended(r *delivery.Record) {
	if r.Outcome == delivery.OutcomeDelivered {
		m.delivered.Inc()
		return
	}
	m.deadLetters.WithLabelValues(string(r.DeadLetter)).Inc()
}

// transition counts a circuit's change.
func (m *metrics) transition(to breaker.State) { m.transitions.WithLabelValues(string(to)).Inc() }

// storage shows the size of the log.
func (m *metrics) storage(u eventlog.Usage) {
	m.bytes.WithLabelValues("all").Set(float64(u.Total))
	m.limit.WithLabelValues("all").Set(float64(u.TotalLimit))
	m.bytes.WithLabelValues("events").Set(float64(u.Events))
	m.limit.WithLabelValues("events").Set(float64(u.EventsLimit))
}

// retire keeps the figures of a subscription that is forgotten in the sums.
func (m *metrics) retire(f figures) {
	m.retired.Matched += f.Matched
	m.retired.Delivered += f.Delivered
	m.retired.DeadLettered += f.DeadLettered
}

// Descriptions of the gauges that are read from the state when they are asked for.
var (
	descPending     = prometheus.NewDesc("posthorn_dispatcher_pending_deliveries", "Deliveries that have not ended, by where they wait.", []string{"where"}, nil)
	descUnaccounted = prometheus.NewDesc("posthorn_unaccounted_deliveries", "Matched deliveries that are neither delivered, nor dead-lettered, nor pending. Anything but 0 is a defect.", nil, nil)
	descOldest      = prometheus.NewDesc("posthorn_dispatcher_oldest_pending_seconds", "Age of the oldest delivery that has not ended; 0 without one.", nil, nil)
	descCircuits    = prometheus.NewDesc("posthorn_dispatcher_circuits", "Circuits, by state.", []string{"state"}, nil)
	descOverShare   = prometheus.NewDesc("posthorn_dispatcher_namespaces_over_share", "Namespaces that have filled their share of the storage, and whose producers are refused.", nil, nil)
	descEngine      = prometheus.NewDesc("posthorn_dispatcher_engine_up", "Whether the dispatcher takes and records events: 1 or 0.", nil, nil)
)

// collector shows the state of a dispatcher to Prometheus.
type collector struct{ d *Dispatcher }

// Describe is prometheus.Collector's.
func (c *collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect is prometheus.Collector's.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	m := c.d.metrics
	for _, x := range []prometheus.Collector{
		m.matched, m.delivered, m.deadLetters, m.attempts, m.duration, m.transitions, m.filterErrors, m.unreadable,
		m.flushErrors, m.refused, m.trimmed, m.bytes, m.limit,
	} {
		x.Collect(ch)
	}
	a := c.d.Account()
	gauge := func(desc *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, labels...)
	}
	gauge(descPending, float64(a.Memory), "memory")
	gauge(descPending, float64(a.Stored), "storage")
	gauge(descUnaccounted, float64(a.Unaccounted()))
	gauge(descOldest, a.OldestPending.Seconds())
	gauge(descOverShare, float64(a.OverShare))
	for _, s := range []breaker.State{breaker.Closed, breaker.Open, breaker.HalfOpen} {
		gauge(descCircuits, float64(a.Circuits[s]), string(s))
	}
	up := 1.0
	if c.d.Ready() != nil || c.d.Accepting() != nil {
		up = 0
	}
	gauge(descEngine, up)
}

// Account is the balance of all deliveries at one moment.
type Account struct {
	// Matched, Delivered and DeadLettered are the sums over all subscriptions, those of earlier runs
	// and of deleted ones included.
	Matched, Delivered, DeadLettered int64
	// Memory counts the deliveries that are not recorded yet, or on their way between two records;
	// Stored those that wait in storage. Both are counted where they are, not computed.
	Memory, Stored int64
	// OldestPending is the age of the oldest of them; 0 without one.
	OldestPending time.Duration
	Circuits      map[breaker.State]int
	// OverShare counts the namespaces whose producers are refused, since they have filled their share.
	OverShare int
	// Complete is false until the waiting deliveries of earlier runs are known.
	Complete bool
}

// Unaccounted is what the balance lacks: 0, or there is a defect.
func (a Account) Unaccounted() int64 {
	if !a.Complete {
		return 0
	}
	return a.Matched - a.Delivered - a.DeadLettered - a.Memory - a.Stored
}

// Account balances all deliveries.
func (d *Dispatcher) Account() Account {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	a := Account{
		Matched: d.metrics.retired.Matched, Delivered: d.metrics.retired.Delivered,
		DeadLettered: d.metrics.retired.DeadLettered, Circuits: map[breaker.State]int{}, Complete: d.scanned && d.madeUp == 0,
		OverShare: d.overShares(),
	}
	for _, s := range d.subs {
		a.Matched += s.figures.Matched
		a.Delivered += s.figures.Delivered
		a.DeadLettered += s.figures.DeadLettered
	}
	count := func(n *int64) func(*subscription, time.Time) {
		return func(_ *subscription, accepted time.Time) {
			*n++
			a.OldestPending = max(a.OldestPending, now.Sub(accepted))
		}
	}
	for _, l := range d.lanes {
		l.eachStored(count(&a.Stored))
	}
	d.eachInMemory(count(&a.Memory))
	for _, c := range d.circuits {
		a.Circuits[c.breaker.State()]++
	}
	return a
}
