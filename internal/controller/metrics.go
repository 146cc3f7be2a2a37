// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

var (
	statusWrites = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "posthorn_operator_status_writes_total",
		Help: "Statuses that the operator wrote, by kind. It writes none when nothing changed.",
	}, []string{"kind"})

	keyChanges = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "posthorn_operator_signing_key_changes_total",
		Help: "Changes of signing keys that Posthorn owns, by what happened.",
	}, []string{"change"})

	dispatcherAway = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "posthorn_operator_dispatcher_unavailable",
		Help: "1 while the dispatcher has not renewed its Lease for 5 minutes, else 0.",
	})
)

func init() {
	metrics.Registry.MustRegister(statusWrites, keyChanges, dispatcherAway)
	for _, kind := range []string{
		hookv1.KindWebhookEndpoint, hookv1.KindWebhookSubscription, hookv1.KindWebhookEventSource, hookv1.KindWebhookEventType,
	} {
		statusWrites.WithLabelValues(kind)
	}
	for _, change := range []keyChange{keyCreated, keyRotated, keyReplaced, keyExpired, keyReformed} {
		keyChanges.WithLabelValues(string(change))
	}
}
