// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// WebhookEventTypeSpec describes a type of the namespace's events, and what their data looks like.
type WebhookEventTypeSpec struct {
	// type is the type of CloudEvents that is described, such as com.example.order.created. It cannot be
	// changed. Where two objects of a namespace name the same type the older one counts, and SchemaValid
	// of the other is False.
	//
	// +required
	Type EventTypeName `json:"type,omitempty"`

	// description says what events of the type tell, for those who subscribe to them.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Description string `json:"description,omitempty"`

	// schema is a JSON Schema (draft 2020-12) of the data, at most 64 KiB long. It may refer to parts of
	// itself, and to nothing else; format is an annotation, as the draft has it. Where it cannot be used,
	// SchemaValid is False and nothing is checked. Omitted: any data is valid.
	//
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Schema *runtime.RawExtension `json:"schema,omitempty"`

	// enforcement is what becomes of an event whose data violates the schema: with Enforce (the default)
	// it is refused with 422 and a JSON Pointer to each violation; with Warn it is counted and taken.
	//
	// +optional
	// +kubebuilder:default=Enforce
	Enforcement Enforcement `json:"enforcement,omitempty"`

	// examples are the data of events of the type, as objects, at most 16 of 16 KiB each. One that
	// violates the schema makes SchemaValid False, and nothing is checked until the two agree.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Examples []runtime.RawExtension `json:"examples,omitempty"`
}

// EventTypeName is a type of CloudEvents.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:XValidation:rule="self.matches('^[^*[:space:][:cntrl:]]+$')",message="type must be one type such as com.example.order.created, without spaces and stars: create an object for each type"
// +kubebuilder:validation:XValidation:rule="!self.startsWith('dev.posthorn.')",message="type must not begin with dev.posthorn.: these are Posthorn's own, and built in; use a name of your own such as com.example.order.created"
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="type cannot be changed: create another WebhookEventType for the other type, and delete this one"
type EventTypeName string

// Enforcement is what becomes of an event whose data violates the schema of its type.
//
// +kubebuilder:validation:Enum=Enforce;Warn
type Enforcement string

// What becomes of an event whose data violates the schema of its type.
const (
	// EnforcementEnforce refuses it.
	EnforcementEnforce Enforcement = "Enforce"
	// EnforcementWarn counts it, and takes it.
	EnforcementWarn Enforcement = "Warn"
)

// WebhookEventTypeStatus is what Posthorn has to say about a type. The comment of each field names its
// one writer.
type WebhookEventTypeStatus struct {
	// conditions are Ready, Reconciling, Stalled, SchemaValid and SubscriptionsCompatible, written by the
	// operator, and Routed, written by the dispatcher.
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

	// subscriptions is how many subscriptions of the namespace take events of the type, those by a prefix
	// or by * included. Written by the operator.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Subscriptions *int32 `json:"subscriptions,omitempty"`

	// lastSeenTime is when an event of the type was accepted last, to the minute. Written by the
	// dispatcher.
	//
	// +optional
	LastSeenTime *metav1.Time `json:"lastSeenTime,omitempty"`
}

// WebhookEventType describes a type of events: what it tells, and the JSON Schema of its data.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=webhookeventtypes,scope=Namespaced,shortName=wht,categories=posthorn
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`,description="The type of events that is described"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether the next event of the type will be checked"
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,description="Why it is Ready, or not"
// +kubebuilder:printcolumn:name="Enforcement",type=string,JSONPath=`.spec.enforcement`,description="What becomes of events that violate the schema"
// +kubebuilder:printcolumn:name="Compatible",type=string,JSONPath=`.status.conditions[?(@.type=="SubscriptionsCompatible")].status`,description="Whether all that subscriptions read of the type exists"
// +kubebuilder:printcolumn:name="Subscriptions",type=integer,JSONPath=`.status.subscriptions`,description="Subscriptions that take events of the type"
// +kubebuilder:printcolumn:name="Last Seen",type=date,JSONPath=`.status.lastSeenTime`,description="Time since an event of the type was accepted"
// +kubebuilder:printcolumn:name="Description",type=string,JSONPath=`.spec.description`,description="What events of the type tell",priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:selectablefield:JSONPath=`.spec.type`
// +kubebuilder:selectablefield:JSONPath=`.spec.enforcement`
type WebhookEventType struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the object's standard metadata. Identity is namespace and name, not UID.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec describes the type.
	//
	// +required
	Spec WebhookEventTypeSpec `json:"spec,omitzero"`

	// status is what Posthorn has to say about it.
	//
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status WebhookEventTypeStatus `json:"status,omitempty,omitzero"`
}

// WebhookEventTypeList is a list of WebhookEventTypes.
//
// +kubebuilder:object:root=true
type WebhookEventTypeList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the types.
	Items []WebhookEventType `json:"items"`
}

// GetConditions returns the conditions of the status.
func (t *WebhookEventType) GetConditions() []metav1.Condition { return t.Status.Conditions }

// SetConditions replaces the conditions of the status.
func (t *WebhookEventType) SetConditions(c []metav1.Condition) { t.Status.Conditions = c }
