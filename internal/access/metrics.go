// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import "github.com/prometheus/client_golang/prometheus"

// reviewMetrics counts the questions of one kind.
type reviewMetrics struct {
	allowed, denied, failed, limited, stale prometheus.Counter
}

// newMetrics registers the counters and returns those of TokenReviews and SubjectAccessReviews. A
// nil registerer leaves them unregistered.
func newMetrics(registerer prometheus.Registerer) (tokens, rights *reviewMetrics) {
	asked := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "posthorn_access_reviews_total",
		Help: "Questions to the API server by kind (token, access) and result (allowed, denied, failed, limited: not asked because of the rate limit).",
	}, []string{"kind", "result"})
	stale := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "posthorn_access_stale_answers_total",
		Help: "Requests decided by an expired answer because the API server was away, by kind (token, access).",
	}, []string{"kind"})
	if registerer != nil {
		registerer.MustRegister(asked, stale)
	}
	of := func(kind string) *reviewMetrics {
		return &reviewMetrics{
			allowed: asked.WithLabelValues(kind, "allowed"),
			denied:  asked.WithLabelValues(kind, "denied"),
			failed:  asked.WithLabelValues(kind, "failed"),
			limited: asked.WithLabelValues(kind, "limited"),
			stale:   stale.WithLabelValues(kind),
		}
	}
	return of("token"), of("access")
}
