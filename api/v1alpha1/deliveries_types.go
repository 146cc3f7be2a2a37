// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// EndpointDeliveries counts what came of the deliveries to an endpoint, since it was created. After
// an unclean stop of the dispatcher the counters start from the last checkpoint.
type EndpointDeliveries struct {
	// delivered is how many deliveries ended with success.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Delivered *int64 `json:"delivered,omitempty"`

	// failedAttempts is how many attempts failed; one delivery may fail several times.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	FailedAttempts *int64 `json:"failedAttempts,omitempty"`

	// pending is how many deliveries have not ended.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Pending *int64 `json:"pending,omitempty"`

	// deadLettered is how many deliveries ended without success.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	DeadLettered *int64 `json:"deadLettered,omitempty"`

	// oldestPendingTime is when the event of the oldest pending delivery was accepted.
	//
	// +optional
	OldestPendingTime *metav1.Time `json:"oldestPendingTime,omitempty"`

	// lastSuccessTime is when an attempt last succeeded.
	//
	// +optional
	LastSuccessTime *metav1.Time `json:"lastSuccessTime,omitempty"`

	// lastFailureTime is when an attempt last failed.
	//
	// +optional
	LastFailureTime *metav1.Time `json:"lastFailureTime,omitempty"`
}

// SubscriptionDeliveries counts what came of the events that matched a subscription, since it was
// created: matched is the sum of delivered, pending and deadLettered. After an unclean stop of the
// dispatcher the counters start from the last checkpoint.
type SubscriptionDeliveries struct {
	// matched is how many events matched.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Matched *int64 `json:"matched,omitempty"`

	EndpointDeliveries `json:",inline"`
}

// LastFailure is the attempt to an endpoint that failed last.
type LastFailure struct {
	// time of the attempt.
	//
	// +optional
	Time *metav1.Time `json:"time,omitempty"`

	// eventID is the id of the event.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	EventID string `json:"eventID,omitempty"`

	// statusCode is the status of the answer; absent when none came.
	//
	// +optional
	// +kubebuilder:validation:Minimum=100
	// +kubebuilder:validation:Maximum=999
	StatusCode int32 `json:"statusCode,omitempty"`

	// reason is one of the closed set of reasons why an attempt fails, such as Timeout or Status5xx.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// message is one sentence about the failure, without secrets and addresses.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Message string `json:"message,omitempty"`

	// nextAttemptTime is when the delivery is tried again; absent when it is not.
	//
	// +optional
	NextAttemptTime *metav1.Time `json:"nextAttemptTime,omitempty"`
}

// RecentFailure is one attempt for a subscription that failed.
type RecentFailure struct {
	LastFailure `json:",inline"`

	// eventType is the type of the event.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	EventType string `json:"eventType,omitempty"`

	// attempt is the number of the attempt, from 1.
	//
	// +required
	// +kubebuilder:validation:Minimum=1
	Attempt int32 `json:"attempt,omitempty"`
}
