// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// WebhookSubscriptionSpec says which events go to which endpoint, in which form, and how often they
// are tried.
//
// +kubebuilder:validation:XValidation:rule="!has(self.deadLetter) || self.deadLetter.endpointRef.name != self.endpointRef.name || (has(self.deadLetter.endpointRef.__namespace__) ? self.deadLetter.endpointRef.__namespace__ : '-') != (has(self.endpointRef.__namespace__) ? self.endpointRef.__namespace__ : '-')",message="deadLetter.endpointRef must name another endpoint than endpointRef: what failed there would fail there again"
type WebhookSubscriptionSpec struct {
	// endpointRef names the WebhookEndpoint to send to. EndpointResolved says what is wrong with it.
	//
	// +required
	EndpointRef EndpointRef `json:"endpointRef,omitzero"`

	// eventTypes are the types of CloudEvents to take: exact, as in com.example.order.created; all below
	// a prefix, as in com.example.*; or * for every type. 1 to 64 patterns, of which one must match.
	//
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	EventTypes []EventTypePattern `json:"eventTypes,omitempty"`

	// sources are the sources of CloudEvents to take: exact, as in /shop/orders, or all that begin with
	// what stands before a * at the end, as in https://shop.example.com/*. At most 64 patterns, of which
	// one must match. Omitted or empty: any source.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	Sources []SourcePattern `json:"sources,omitempty"`

	// filter is a CEL expression over event that must be true, as in
	// event.data.total > 100 && event.subject.startsWith("orders/"). Where it does not compile or
	// could cost too much, FilterValid is False and gives line and column. Omitted: every event that
	// eventTypes and sources admit.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Filter string `json:"filter,omitempty"`

	// payload says what the request's body is.
	//
	// +optional
	// +kubebuilder:default={}
	Payload *Payload `json:"payload,omitempty"`

	// retry says when a failed delivery is tried again, and when it is given up. Each omitted field has
	// the platform's default.
	//
	// +optional
	Retry *Retry `json:"retry,omitempty"`

	// deadLetter says where deliveries that ended without success are sent, in addition to the
	// dead-letter log. Omitted: nowhere else.
	//
	// +optional
	DeadLetter *DeadLetter `json:"deadLetter,omitempty"`

	// suspend holds all deliveries of the subscription until it is false again. They wait up to their
	// maxAge and within the namespace's share of storage.
	//
	// +optional
	// +kubebuilder:default=false
	Suspend *bool `json:"suspend,omitempty"`
}

// EventTypePattern is a type of CloudEvents, a prefix of types, or all types. Types with spaces in
// them are only matched by prefixes and by *: a list in one string is the likelier meaning.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:XValidation:rule="self == '*' || self.matches('^[^*[:space:][:cntrl:]]+([.][*])?$')",message="must be an exact event type such as com.example.order.created, a prefix with .* at its end such as com.example.*, or * for all"
type EventTypePattern string

// SourcePattern is a source of CloudEvents, or the beginning of sources.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:XValidation:rule="self.matches('^([^*[:space:][:cntrl:]]+[*]?|[*])$')",message="must be a source such as /shop/orders, without spaces, or the beginning of sources with * at its end, such as https://shop.example.com/*"
type SourcePattern string

// Payload says what the request's body is.
type Payload struct {
	// format is CloudEvents (the default: structured JSON), CloudEventsBinary (the data as body, the
	// attributes as ce- headers), StandardWebhooks (type, timestamp and data) or Data (the data and
	// nothing else: what Slack, Teams or PagerDuty take).
	//
	// +optional
	// +kubebuilder:default=CloudEvents
	Format PayloadFormat `json:"format,omitempty"`

	// transform is a CEL expression over event whose result replaces the data, as in
	// {"id": event.id, "text": "order " + event.data.id}. Where it does not compile or could cost too
	// much, FilterValid is False and gives line and column. Omitted: the data as it came.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=8192
	Transform string `json:"transform,omitempty"`
}

// PayloadFormat is the form of a request's body.
//
// +kubebuilder:validation:Enum=CloudEvents;CloudEventsBinary;StandardWebhooks;Data
type PayloadFormat string

// Forms of a request's body.
const (
	// PayloadFormatCloudEvents sends the event as CloudEvents structured JSON.
	PayloadFormatCloudEvents PayloadFormat = "CloudEvents"
	// PayloadFormatCloudEventsBinary sends the data as body and the attributes as ce- headers.
	PayloadFormatCloudEventsBinary PayloadFormat = "CloudEventsBinary"
	// PayloadFormatStandardWebhooks sends type, timestamp and data, as Standard Webhooks recommends.
	PayloadFormatStandardWebhooks PayloadFormat = "StandardWebhooks"
	// PayloadFormatData sends the data and nothing else.
	PayloadFormatData PayloadFormat = "Data"
)

// DeadLetter says where deliveries that ended without success are sent.
type DeadLetter struct {
	// endpointRef names the WebhookEndpoint. It gets the request that failed, with the reason in
	// headers; what fails there is retried by the default schedule and then only recorded.
	//
	// +required
	EndpointRef EndpointRef `json:"endpointRef,omitzero"`
}

// WebhookSubscriptionStatus is what Posthorn has to say about a subscription. The comment of each field
// names its one writer.
type WebhookSubscriptionStatus struct {
	// conditions are Ready, Reconciling, Stalled, EndpointResolved and FilterValid, written by the
	// operator, and Routed and Delivering, written by the dispatcher.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation that the operator looked at last; -1 before the first look.
	// Written by the operator.
	//
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration *int64 `json:"observedGeneration,omitempty"`

	// endpoint is the endpoint that events go to, as namespace/name. Written by the operator.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=320
	Endpoint string `json:"endpoint,omitempty"`

	// deliveries counts what came of the events that matched. Written by the dispatcher.
	//
	// +optional
	Deliveries *SubscriptionDeliveries `json:"deliveries,omitempty"`

	// recentFailures are the attempts that failed last, at most 5, the newest first. Written by the
	// dispatcher.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=5
	RecentFailures []RecentFailure `json:"recentFailures,omitempty"`

	// effective is what applies once the platform's defaults have filled what the spec leaves out.
	// Written by the operator.
	//
	// +optional
	Effective *EffectiveSubscription `json:"effective,omitempty"`
}

// EffectiveSubscription is what applies to a subscription, platform defaults included.
type EffectiveSubscription struct {
	// retry describes the schedule in words, such as "8 retries over 17h42m35s, ±20 %".
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Retry string `json:"retry,omitempty"`

	// maxAge is how old a delivery may grow before it is dead-lettered as Expired.
	//
	// +optional
	MaxAge Duration `json:"maxAge,omitempty"`
}

// WebhookSubscription sends the events of its namespace that match to a WebhookEndpoint.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=webhooksubscriptions,scope=Namespaced,shortName=whs,categories=posthorn
// +kubebuilder:printcolumn:name="Endpoint",type=string,JSONPath=`.spec.endpointRef.name`,description="Where matching events go"
// +kubebuilder:printcolumn:name="Events",type=string,JSONPath=`.spec.eventTypes`,description="Which event types match"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether the next matching event will be delivered"
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,description="Why it is Ready, or not"
// +kubebuilder:printcolumn:name="Delivering",type=string,JSONPath=`.status.conditions[?(@.type=="Delivering")].status`,description="Whether no delivery is overdue"
// +kubebuilder:printcolumn:name="Pending",type=integer,JSONPath=`.status.deliveries.pending`,description="Deliveries that have not ended"
// +kubebuilder:printcolumn:name="Dead",type=integer,JSONPath=`.status.deliveries.deadLettered`,description="Deliveries that ended without success"
// +kubebuilder:printcolumn:name="Last Success",type=date,JSONPath=`.status.deliveries.lastSuccessTime`,description="Time since a request succeeded"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:selectablefield:JSONPath=`.spec.endpointRef.name`
// +kubebuilder:selectablefield:JSONPath=`.spec.payload.format`
// +kubebuilder:selectablefield:JSONPath=`.spec.deadLetter.endpointRef.name`
// +kubebuilder:selectablefield:JSONPath=`.spec.suspend`
// +kubebuilder:selectablefield:JSONPath=`.status.endpoint`
type WebhookSubscription struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the object's standard metadata. Identity is namespace and name, not UID.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec says which events go to which endpoint, in which form, and how often they are tried.
	//
	// +required
	Spec WebhookSubscriptionSpec `json:"spec,omitzero"`

	// status is what Posthorn has to say about it.
	//
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status WebhookSubscriptionStatus `json:"status,omitempty,omitzero"`
}

// WebhookSubscriptionList is a list of WebhookSubscriptions.
//
// +kubebuilder:object:root=true
type WebhookSubscriptionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the subscriptions.
	Items []WebhookSubscription `json:"items"`
}

// GetConditions returns the conditions of the status.
func (s *WebhookSubscription) GetConditions() []metav1.Condition { return s.Status.Conditions }

// SetConditions replaces the conditions of the status.
func (s *WebhookSubscription) SetConditions(c []metav1.Condition) { s.Status.Conditions = c }

// NamespaceOr returns the namespace that the reference names, or the given one when it names none.
func (r EndpointRef) NamespaceOr(own string) string {
	if r.Namespace == "" {
		return own
	}
	return string(r.Namespace)
}
