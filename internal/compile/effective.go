// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"strings"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// EffectiveEndpoint returns what status.effective of an endpoint shows: its limits once the defaults
// have filled what its spec leaves out. It needs no credentials.
func EffectiveEndpoint(obj *hookv1.WebhookEndpoint, d Defaults) (*hookv1.EffectiveEndpoint, error) {
	l, err := resolveLimits(&obj.Spec, d)
	if err != nil {
		return nil, err
	}
	scope := hookv1.CircuitScopeEndpoint
	if l.shareCircuit {
		scope = hookv1.CircuitScopeHost
	}
	out := &hookv1.EffectiveEndpoint{
		Timeout:     hookv1.NewDuration(l.timeout),
		Concurrency: int32(l.concurrency), //nolint:gosec // at most 1000, by schema and configuration
		CircuitBreaker: &hookv1.CircuitBreaker{
			FailureThreshold: int32(l.breaker.FailureThreshold), //nolint:gosec // at most 100
			OpenDuration:     hookv1.NewDuration(l.breaker.OpenDuration),
			MaxOpenDuration:  hookv1.NewDuration(l.breaker.MaxOpenDuration),
			Probes:           int32(l.breaker.Probes), //nolint:gosec // at most 10
			Scope:            scope,
		},
	}
	if l.rateLimit != nil {
		out.RateLimit = &hookv1.RateLimit{
			Requests: int32(l.rateLimit.Requests), //nolint:gosec // at most 100,000
			Per:      hookv1.NewDuration(l.rateLimit.Per),
		}
	}
	if l.disableAfter > 0 {
		out.DisableAfter = hookv1.NewDuration(l.disableAfter)
	}
	return out, nil
}

// EffectiveSubscription returns what status.effective of a subscription shows.
func EffectiveSubscription(obj *hookv1.WebhookSubscription, d Defaults) (*hookv1.EffectiveSubscription, error) {
	p, err := compileRetry(obj.Spec.Retry, d)
	if err != nil {
		return nil, err
	}
	return &hookv1.EffectiveSubscription{Retry: p.String(), MaxAge: hookv1.NewDuration(p.MaxAge)}, nil
}

// EffectiveEventSource returns what status.effective of an event source shows.
func EffectiveEventSource(s *EventSource) *hookv1.EffectiveEventSource {
	kinds := make([]string, 0, len(s.Resources))
	for _, r := range s.Resources {
		kinds = append(kinds, r.Kind)
	}
	out := &hookv1.EffectiveEventSource{Resources: strings.Join(kinds, ", ")}
	for _, o := range s.Operations {
		out.Operations = append(out.Operations, hookv1.Operation(o))
	}
	return out
}
