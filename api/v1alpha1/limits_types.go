// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RateLimit bounds how many requests are started in a length of time: a token bucket that holds
// requests, and fills evenly in the time of per.
type RateLimit struct {
	// requests that may be started in one length of per: 1 to 100000.
	//
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	Requests int32 `json:"requests,omitempty"`

	// per is the length of time: 1s (the default) to 24h.
	//
	// +optional
	// +kubebuilder:default="1s"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="per must be a duration from 1s to 24h, such as 1s or 1m"
	Per Duration `json:"per,omitempty"`
}

// CircuitBreaker says when requests are held back from a failing endpoint.
//
// +kubebuilder:validation:XValidation:rule="!has(self.openDuration) || !has(self.maxOpenDuration) || duration(self.maxOpenDuration) >= duration(self.openDuration)",message="maxOpenDuration must not be shorter than openDuration, from which it grows: lengthen maxOpenDuration, or shorten openDuration"
type CircuitBreaker struct {
	// failureThreshold is how many failures in a row open the circuit: 1 to 100. Omitted: the
	// platform's default, 5 if it names none. Connection errors, timeouts, 5xx, 401, 403, 404 and 410
	// count; what is about one event (400, 413, 415, 422) does not.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	FailureThreshold int32 `json:"failureThreshold,omitempty"`

	// openDuration is how long the circuit stays open before the first probe: 1s to 1h. It doubles with
	// each probe that fails. Omitted: the platform's default, 30s if it names none.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1s') && duration(self) <= duration('1h')",message="openDuration must be a duration from 1s to 1h, such as 30s"
	OpenDuration Duration `json:"openDuration,omitempty"`

	// maxOpenDuration is the most that openDuration grows to: 1s to 24h. Omitted: the platform's
	// default, 10m if it names none, or openDuration where that is longer.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="maxOpenDuration must be a duration from 1s to 24h, such as 10m"
	MaxOpenDuration Duration `json:"maxOpenDuration,omitempty"`

	// probes is how many requests must succeed, one after the other, to close the circuit: 1 to 10.
	// They are real deliveries. Omitted: the platform's default, 2 if it names none.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10
	Probes int32 `json:"probes,omitempty"`

	// scope is Endpoint (the default) for a circuit of its own, or Host for one that the namespace's
	// endpoints of the same host share.
	//
	// +optional
	// +kubebuilder:default=Endpoint
	Scope CircuitScope `json:"scope,omitempty"`
}

// CircuitScope says who shares a circuit.
//
// +kubebuilder:validation:Enum=Endpoint;Host
type CircuitScope string

// Scopes of a circuit.
const (
	// CircuitScopeEndpoint gives the endpoint a circuit of its own.
	CircuitScopeEndpoint CircuitScope = "Endpoint"
	// CircuitScopeHost shares the circuit between the namespace's endpoints of one host.
	CircuitScopeHost CircuitScope = "Host"
)

// AllowSubscriptions says from which namespaces subscriptions may send to an endpoint, as a Gateway's
// listener does for routes.
//
// +kubebuilder:validation:XValidation:rule="(self.from == 'Selector') == has(self.selector)",message="selector must be set when from is Selector, and only then: add selector, or change from"
type AllowSubscriptions struct {
	// from is Same (the default) for this namespace alone, All for every namespace, or Selector for
	// this one and those that selector matches.
	//
	// +optional
	// +kubebuilder:default=Same
	From FromNamespaces `json:"from,omitempty"`

	// selector matches the labels of namespaces.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.matchLabels) || size(self.matchLabels) <= 32",message="selector.matchLabels must have at most 32 entries: label the namespaces with one label for this purpose"
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || size(self.matchExpressions) <= 32",message="selector.matchExpressions must have at most 32 items: label the namespaces with one label for this purpose"
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || self.matchExpressions.all(e, e.operator in ['In', 'NotIn', 'Exists', 'DoesNotExist'])",message="selector.matchExpressions must have the operator In, NotIn, Exists or DoesNotExist"
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || self.matchExpressions.all(e, (e.operator in ['In', 'NotIn']) == (has(e.values) && size(e.values) > 0))",message="selector.matchExpressions must have values for the operators In and NotIn, and none for Exists and DoesNotExist"
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// FromNamespaces says which namespaces are meant.
//
// +kubebuilder:validation:Enum=Same;All;Selector
type FromNamespaces string

// Which namespaces are meant.
const (
	// FromNamespacesSame means the object's own namespace.
	FromNamespacesSame FromNamespaces = "Same"
	// FromNamespacesAll means every namespace.
	FromNamespacesAll FromNamespaces = "All"
	// FromNamespacesSelector means the object's own namespace and those that a selector matches.
	FromNamespacesSelector FromNamespaces = "Selector"
)

// CircuitStatus is the state of an endpoint's circuit breaker.
type CircuitStatus struct {
	// state is Closed while requests flow, Open while they are held back, or HalfOpen while single
	// requests probe.
	//
	// +optional
	State CircuitState `json:"state,omitempty"`

	// since is when the circuit came into this state.
	//
	// +optional
	Since *metav1.Time `json:"since,omitempty"`

	// consecutiveFailures is how many attempts have failed in a row.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	ConsecutiveFailures *int32 `json:"consecutiveFailures,omitempty"`

	// nextProbeTime is when an open circuit lets a request through; absent otherwise.
	//
	// +optional
	NextProbeTime *metav1.Time `json:"nextProbeTime,omitempty"`
}

// CircuitState is the state of a circuit breaker.
//
// +kubebuilder:validation:Enum=Closed;Open;HalfOpen
type CircuitState string

// States of a circuit breaker.
const (
	// CircuitStateClosed means that requests flow.
	CircuitStateClosed CircuitState = "Closed"
	// CircuitStateOpen means that requests are held back.
	CircuitStateOpen CircuitState = "Open"
	// CircuitStateHalfOpen means that single requests probe.
	CircuitStateHalfOpen CircuitState = "HalfOpen"
)

// DisabledStatus says since when and why an endpoint is disabled.
type DisabledStatus struct {
	// since is when the endpoint was disabled.
	//
	// +optional
	Since *metav1.Time `json:"since,omitempty"`

	// reason is Gone when the endpoint answered 410, or Failing when it failed for longer than
	// disableAfter.
	//
	// +optional
	Reason DisabledReason `json:"reason,omitempty"`
}

// DisabledReason says why an endpoint is disabled.
//
// +kubebuilder:validation:Enum=Gone;Failing
type DisabledReason string

// Why an endpoint is disabled.
const (
	// DisabledReasonGone means that it answered 410.
	DisabledReasonGone DisabledReason = "Gone"
	// DisabledReasonFailing means that it failed for longer than disableAfter.
	DisabledReasonFailing DisabledReason = "Failing"
)

// EffectiveEndpoint is what applies to an endpoint, platform defaults included.
type EffectiveEndpoint struct {
	// timeout of one attempt.
	//
	// +optional
	Timeout Duration `json:"timeout,omitempty"`

	// concurrency is how many requests may be in flight.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	Concurrency int32 `json:"concurrency,omitempty"`

	// rateLimit bounds how many requests are started; absent where nothing does.
	//
	// +optional
	RateLimit *RateLimit `json:"rateLimit,omitempty"`

	// circuitBreaker is the circuit breaker with every field set.
	//
	// +optional
	CircuitBreaker *CircuitBreaker `json:"circuitBreaker,omitempty"`

	// disableAfter is how long the endpoint may fail without a success; absent for ever.
	//
	// +optional
	DisableAfter Duration `json:"disableAfter,omitempty"`
}
