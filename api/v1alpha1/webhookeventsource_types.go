// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// WebhookEventSourceSpec says which changes of which resources of the cluster become events.
//
// +kubebuilder:validation:XValidation:rule="!has(self.kubernetesEvents) || self.resources.exists(r, r.apiVersion == 'events.k8s.io/v1' && r.kind == 'Event')",message="kubernetesEvents speaks of Kubernetes Events: add apiVersion events.k8s.io/v1 and kind Event to resources, or remove kubernetesEvents"
// +kubebuilder:validation:XValidation:rule="!has(self.when) || !has(self.when.emit) || self.when.emit == 'EveryMatch' || !self.resources.exists(r, r.apiVersion == 'events.k8s.io/v1' && r.kind == 'Event')",message="when.emit must be EveryMatch, and when.for absent, where resources has the kind Event, which occurs and has no state that could turn: use kubernetesEvents.series, or put Event into a WebhookEventSource of its own"
type WebhookEventSourceSpec struct {
	// serviceAccountName names a ServiceAccount of this namespace. The source sees what that account may
	// list and watch, and no more; the dispatcher asks the API server again every minute. It must carry
	// the label posthorn.dev/use: "true". PermissionsGranted says what is missing, and who lacks it.
	//
	// +required
	ServiceAccountName ObjectName `json:"serviceAccountName,omitempty"`

	// resources are the kinds to watch, built-in or of a CustomResourceDefinition: 1 to 16, each kind
	// once. For a second selector on the same kind write a second WebhookEventSource. Of Secrets only
	// the metadata is watched. Where the cluster does not serve a kind, Watching is False with the
	// reason KindNotServed until it does.
	//
	// +required
	// +listType=map
	// +listMapKey=apiVersion
	// +listMapKey=kind
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.exists_one(b, a.kind == b.kind && (a.apiVersion.contains('/') ? a.apiVersion.split('/')[0] : '') == (b.apiVersion.contains('/') ? b.apiVersion.split('/')[0] : '')))",message="resources must name each kind of a group once: choose one version of it"
	Resources []WatchedResource `json:"resources,omitempty"`

	// namespaces says where the objects are. Kinds without a namespace, such as Node, are watched
	// whatever it says. All that is not this namespace needs a ServiceAccount with rights in the whole
	// cluster.
	//
	// +optional
	// +kubebuilder:default={"from":"Same"}
	Namespaces *WatchedNamespaces `json:"namespaces,omitempty"`

	// operations are those of Created, Updated and Deleted that become events. Where when.emit is
	// OnTransition or Both, every operation is looked at, and these are the ones at which an event may
	// be sent. Omitted: all three.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	Operations []Operation `json:"operations,omitempty"`

	// when is the condition under which a change becomes an event. Omitted: every change does.
	//
	// +optional
	When *When `json:"when,omitempty"`

	// data says what the event tells about the object.
	//
	// +optional
	// +kubebuilder:default={}
	Data *EventData `json:"data,omitempty"`

	// kubernetesEvents chooses among Kubernetes Events, and needs the kind Event of events.k8s.io/v1
	// in resources. Omitted: all of them, each series once.
	//
	// +optional
	KubernetesEvents *KubernetesEvents `json:"kubernetesEvents,omitempty"`

	// initialObjects is Ignore (the default), so that the objects that exist when the source begins
	// are no events, or Emit, which sends each of them once, as created.
	//
	// +optional
	// +kubebuilder:default=Ignore
	InitialObjects InitialObjects `json:"initialObjects,omitempty"`

	// suspend stops the source until it is false again. It then goes on with the objects as they are:
	// what changed meanwhile is sent once, as its net effect.
	//
	// +optional
	// +kubebuilder:default=false
	Suspend *bool `json:"suspend,omitempty"`
}

// WatchedResource is a kind of resource, and which of its objects are meant.
//
// +kubebuilder:validation:XValidation:rule="self.apiVersion != 'v1' || self.kind != 'Event'",message="apiVersion must be events.k8s.io/v1 for the kind Event: v1 is an older form of the same objects"
// +kubebuilder:validation:XValidation:rule="!self.apiVersion.startsWith('posthorn.dev/')",message="apiVersion must not be of posthorn.dev: that a delivery changes the status of a resource would make an event of every delivery"
type WatchedResource struct {
	// apiVersion is group and version, such as apps/v1, or v1 for the core group.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[0-9]+((alpha|beta)[0-9]+)?$')",message="apiVersion must be group and version as in apps/v1, or v1 for the core group, in lower case"
	APIVersion string `json:"apiVersion,omitempty"`

	// kind is the kind as manifests have it, such as Deployment.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Z][A-Za-z0-9]*$')",message="kind must be the kind as manifests have it, such as Deployment: not deployments"
	Kind string `json:"kind,omitempty"`

	// selector matches the labels of objects. An object that comes to match is one that is created, and
	// one that matches no more one that is deleted. Omitted or empty: all objects.
	//
	// +optional
	Selector *LabelSelector `json:"selector,omitempty"`

	// fieldSelector is a field selector that the API server evaluates, such as
	// status.phase=Failed. Each one costs a watch of its own, so that selector is the better choice
	// where both would do. Omitted: all objects.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9._/-]+(=|==|!=)[^,=!]*(,[A-Za-z0-9._/-]+(=|==|!=)[^,=!]*)*$')",message="fieldSelector must be field=value or field!=value, several of them with commas between, such as status.phase=Failed"
	FieldSelector string `json:"fieldSelector,omitempty"`
}

// WatchedNamespaces says in which namespaces objects are looked at.
//
// +kubebuilder:validation:XValidation:rule="(has(self.from) && self.from == 'Selector') == has(self.selector)",message="selector must be set when from is Selector, and only then: add selector, or change from"
type WatchedNamespaces struct {
	// from is Same (the default) for this namespace alone, All for every namespace, or Selector for
	// those that selector matches, of which this one need not be one.
	//
	// +optional
	// +kubebuilder:default=Same
	From FromNamespaces `json:"from,omitempty"`

	// selector matches the labels of namespaces.
	//
	// +optional
	Selector *LabelSelector `json:"selector,omitempty"`
}

// Operation is what happened to an object.
//
// +kubebuilder:validation:Enum=Created;Updated;Deleted
type Operation string

// What happened to an object.
const (
	// OperationCreated means that the object was created, or came to match a selector.
	OperationCreated Operation = "Created"
	// OperationUpdated means that the object's content changed.
	OperationUpdated Operation = "Updated"
	// OperationDeleted means that the object was deleted, or matches a selector no more.
	OperationDeleted Operation = "Deleted"
)

// When is the condition under which a change becomes an event.
//
// +kubebuilder:validation:XValidation:rule="!has(self.__for__) || self.emit in ['OnTransition', 'Both']",message="for must go with emit OnTransition or Both, since EveryMatch has no state that could hold: change emit, or remove for"
type When struct {
	// expression is a CEL expression over object, oldObject and operation that must be true, as in
	// object.status.availableReplicas < object.spec.replicas. It is checked against the schema of the
	// resources. Where it does not compile or could cost too much, ExpressionValid is False and gives
	// line and column.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Expression string `json:"expression,omitempty"`

	// emit is EveryMatch (the default) for an event at each change at which the expression is true,
	// OnTransition for one when it turns true, or Both for one more when it turns false again, whose
	// type ends in .recovered. The state of an object outlives restarts, and ends with the object. The
	// kind Event has none: for it use kubernetesEvents.series.
	//
	// +optional
	// +kubebuilder:default=EveryMatch
	Emit Emit `json:"emit,omitempty"`

	// for is how long the expression must hold before OnTransition and Both send: 1s to 168h. The time
	// that has passed outlives restarts. Omitted: at once.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1s') && duration(self) <= duration('168h')",message="for must be a duration from 1s to 168h, such as 5m"
	For Duration `json:"for,omitempty"`
}

// Emit says when an expression that is true becomes an event.
//
// +kubebuilder:validation:Enum=EveryMatch;OnTransition;Both
type Emit string

// When an expression that is true becomes an event.
const (
	// EmitEveryMatch sends at each change at which the expression is true.
	EmitEveryMatch Emit = "EveryMatch"
	// EmitOnTransition sends when the expression turns true.
	EmitOnTransition Emit = "OnTransition"
	// EmitBoth sends when the expression turns true, and when it turns false again.
	EmitBoth Emit = "Both"
)

// EventData says what an event tells about the object. The data of Secrets, managedFields, the
// last-applied annotations of any tool and what redact names are never told.
type EventData struct {
	// form is Reference (the default: apiVersion, kind, namespace, name, uid and resourceVersion),
	// Object (the whole object) or Patch (the reference, and a JSON Patch from the old object to the
	// new one). An object of more than 1 MiB is sent as a reference, and says so.
	//
	// +optional
	// +kubebuilder:default=Reference
	Form DataForm `json:"form,omitempty"`

	// redact names what is taken out of objects before anything looks at them, CEL included: JSON
	// Pointers, in which * stands for every item or every key, such as
	// /spec/template/spec/containers/*/env. At most 64.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	Redact []RedactPointer `json:"redact,omitempty"`
}

// DataForm is what an event tells about the object.
//
// +kubebuilder:validation:Enum=Reference;Object;Patch
type DataForm string

// What an event tells about the object.
const (
	// DataFormReference tells which object it is, and in which version.
	DataFormReference DataForm = "Reference"
	// DataFormObject tells the whole object.
	DataFormObject DataForm = "Object"
	// DataFormPatch tells which object it is, and what changed.
	DataFormPatch DataForm = "Patch"
)

// RedactPointer is a JSON Pointer (RFC 6901) in which * stands for every item or every key.
//
// +kubebuilder:validation:MinLength=2
// +kubebuilder:validation:MaxLength=512
// +kubebuilder:validation:XValidation:rule="self.matches('^(/([^/~]|~[01])+)+$')",message="must be a JSON Pointer that begins with / and has no empty part, such as /spec/template/spec/containers/*/env: write ~1 for a / and ~0 for a ~ inside of a key"
// +kubebuilder:validation:XValidation:rule="!self.matches('^/([*]|apiVersion|kind|metadata|([*]|metadata)/([*]|name|namespace|uid|resourceVersion))$')",message="must not name what tells which object it is, such as /metadata/name: every event needs that"
type RedactPointer string

// KubernetesEvents chooses among Kubernetes Events. An Event must pass all the lists that are there.
type KubernetesEvents struct {
	// series says what becomes of an Event that occurs again and again: First (the default) sends its
	// first occurrence, Every each time that it is counted up, Finished the end of the series, with
	// its count; an Event that occurs once is a series of one.
	//
	// +optional
	// +kubebuilder:default=First
	Series EventSeries `json:"series,omitempty"`

	// types are the types of Events to take: Normal, Warning. Omitted or empty: any.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	Types []KubernetesEventType `json:"types,omitempty"`

	// reasons are the reasons of Events to take, such as BackOff. At most 64. Omitted or empty: any.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	Reasons []EventReason `json:"reasons,omitempty"`

	// regardingKinds are the kinds of objects that Events may be about, such as Pod. At most 64.
	// Omitted or empty: any.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	RegardingKinds []RegardingKind `json:"regardingKinds,omitempty"`
}

// EventSeries says what becomes of a Kubernetes Event that occurs again.
//
// +kubebuilder:validation:Enum=First;Every;Finished
type EventSeries string

// What becomes of a Kubernetes Event that occurs again.
const (
	// EventSeriesFirst sends the first occurrence.
	EventSeriesFirst EventSeries = "First"
	// EventSeriesEvery sends each time that the Event is counted up.
	EventSeriesEvery EventSeries = "Every"
	// EventSeriesFinished sends once, when the series has ended.
	EventSeriesFinished EventSeries = "Finished"
)

// KubernetesEventType is the type of a Kubernetes Event.
//
// +kubebuilder:validation:Enum=Normal;Warning
type KubernetesEventType string

// EventReason is the reason of a Kubernetes Event.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=128
type EventReason string

// RegardingKind is the kind of the object that a Kubernetes Event is about.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Z][A-Za-z0-9]*$')",message="must be the kind as manifests have it, such as Pod: not pods"
type RegardingKind string

// InitialObjects says what becomes of objects that exist when a source begins.
//
// +kubebuilder:validation:Enum=Ignore;Emit
type InitialObjects string

// What becomes of objects that exist when a source begins.
const (
	// InitialObjectsIgnore sends nothing about them until they change.
	InitialObjectsIgnore InitialObjects = "Ignore"
	// InitialObjectsEmit sends each of them once, as created.
	InitialObjectsEmit InitialObjects = "Emit"
)

// WebhookEventSourceStatus is what Posthorn has to say about a source. The comment of each field names
// its one writer.
type WebhookEventSourceStatus struct {
	// conditions are Ready, Reconciling, Stalled and ExpressionValid, written by the operator, and
	// PermissionsGranted and Watching, written by the dispatcher.
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

	// effective is what applies once the defaults have filled what the spec leaves out. Written by the
	// operator.
	//
	// +optional
	Effective *EffectiveEventSource `json:"effective,omitempty"`

	// resources are the kinds that are watched, as many as the spec names. Written by the dispatcher.
	//
	// +optional
	// +listType=map
	// +listMapKey=apiVersion
	// +listMapKey=kind
	// +kubebuilder:validation:MaxItems=16
	Resources []WatchedResourceStatus `json:"resources,omitempty"`

	// objects is how many objects of all resources match the source now. Written by the dispatcher.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Objects *int64 `json:"objects,omitempty"`

	// emitted is how many events the source has sent since it was created. After an unclean stop of
	// the dispatcher it goes on from the last checkpoint. Written by the dispatcher.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Emitted *int64 `json:"emitted,omitempty"`

	// lastEventTime is when the source last sent an event. Written by the dispatcher.
	//
	// +optional
	LastEventTime *metav1.Time `json:"lastEventTime,omitempty"`

	// lastGap is the last time for which the cluster could not tell what had happened. Written by the
	// dispatcher.
	//
	// +optional
	LastGap *EventGap `json:"lastGap,omitempty"`
}

// EffectiveEventSource is what applies to a source, defaults included.
type EffectiveEventSource struct {
	// resources names the kinds in words, such as "Deployment, Job".
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1100
	Resources string `json:"resources,omitempty"`

	// operations are the operations that become events.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=3
	Operations []Operation `json:"operations,omitempty"`
}

// WatchedResourceStatus is how the watch of one kind stands.
type WatchedResourceStatus struct {
	// apiVersion is group and version, as in the spec.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	APIVersion string `json:"apiVersion,omitempty"`

	// kind is the kind, as in the spec.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`

	// objects is how many objects match now.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Objects *int64 `json:"objects,omitempty"`

	// lastEventTime is when the source last sent an event about this kind.
	//
	// +optional
	LastEventTime *metav1.Time `json:"lastEventTime,omitempty"`

	// caughtUp says whether all that happened up to now has been looked at; false at the start, and
	// while a list is compared with what is remembered.
	//
	// +optional
	CaughtUp *bool `json:"caughtUp,omitempty"`
}

// EventGap is a time for which the cluster could not tell what had happened.
type EventGap struct {
	// from is when the gap began.
	//
	// +optional
	From *metav1.Time `json:"from,omitempty"`

	// to is when the gap ended.
	//
	// +optional
	To *metav1.Time `json:"to,omitempty"`

	// resource is what was watched, as kind.group, such as Event.events.k8s.io.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=320
	Resource string `json:"resource,omitempty"`
}

// WebhookEventSource makes events of what happens to resources of the cluster. Subscriptions of its
// namespace take them as they take any other event.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=webhookeventsources,scope=Namespaced,shortName=wes,categories=posthorn
// +kubebuilder:printcolumn:name="Resources",type=string,JSONPath=`.status.effective.resources`,description="Which kinds are watched"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether the next change will become an event"
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,description="Why it is Ready, or not"
// +kubebuilder:printcolumn:name="Watching",type=string,JSONPath=`.status.conditions[?(@.type=="Watching")].status`,description="Whether every watch has shown life within 2 minutes"
// +kubebuilder:printcolumn:name="Objects",type=integer,JSONPath=`.status.objects`,description="How many objects match now"
// +kubebuilder:printcolumn:name="Last Event",type=date,JSONPath=`.status.lastEventTime`,description="Time since an event was sent"
// +kubebuilder:printcolumn:name="Events",type=integer,JSONPath=`.status.emitted`,priority=1,description="How many events were sent"
// +kubebuilder:printcolumn:name="Service Account",type=string,JSONPath=`.spec.serviceAccountName`,priority=1,description="Whose rights apply"
// +kubebuilder:printcolumn:name="Namespaces",type=string,JSONPath=`.spec.namespaces.from`,priority=1,description="Where objects are looked at"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:selectablefield:JSONPath=`.spec.serviceAccountName`
// +kubebuilder:selectablefield:JSONPath=`.spec.namespaces.from`
// +kubebuilder:selectablefield:JSONPath=`.spec.when.emit`
// +kubebuilder:selectablefield:JSONPath=`.spec.data.form`
// +kubebuilder:selectablefield:JSONPath=`.spec.suspend`
type WebhookEventSource struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the object's standard metadata. Identity is namespace and name, not UID.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec says which changes of which resources become events.
	//
	// +required
	Spec WebhookEventSourceSpec `json:"spec,omitzero"`

	// status is what Posthorn has to say about it.
	//
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status WebhookEventSourceStatus `json:"status,omitempty,omitzero"`
}

// WebhookEventSourceList is a list of WebhookEventSources.
//
// +kubebuilder:object:root=true
type WebhookEventSourceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the sources.
	Items []WebhookEventSource `json:"items"`
}

// GetConditions returns the conditions of the status.
func (s *WebhookEventSource) GetConditions() []metav1.Condition { return s.Status.Conditions }

// SetConditions replaces the conditions of the status.
func (s *WebhookEventSource) SetConditions(c []metav1.Condition) { s.Status.Conditions = c }
