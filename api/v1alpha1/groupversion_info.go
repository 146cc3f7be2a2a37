// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the API group of all of Posthorn's resources.
const GroupName = "posthorn.dev"

// Kinds of the group, as they stand in manifests.
const (
	// KindWebhookEndpoint is the kind of WebhookEndpoint.
	KindWebhookEndpoint = "WebhookEndpoint"
	// KindWebhookSubscription is the kind of WebhookSubscription.
	KindWebhookSubscription = "WebhookSubscription"
	// KindWebhookEventSource is the kind of WebhookEventSource.
	KindWebhookEventSource = "WebhookEventSource"
	// KindWebhookEventType is the kind of WebhookEventType.
	KindWebhookEventType = "WebhookEventType"
)

var (
	// GroupVersion is the group and version of the types in this package.
	GroupVersion = schema.GroupVersion{Group: GroupName, Version: "v1alpha1"}
	// SchemeGroupVersion is GroupVersion under the name that generated code expects.
	SchemeGroupVersion = GroupVersion
	// SchemeBuilder collects the functions that add the types to a scheme.
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)
	// AddToScheme adds the types of this package to a scheme.
	AddToScheme = SchemeBuilder.AddToScheme
)

// Resource returns the group's resource of that (plural) name.
func Resource(resource string) schema.GroupResource {
	return GroupVersion.WithResource(resource).GroupResource()
}

func addKnownTypes(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&WebhookEndpoint{}, &WebhookEndpointList{},
		&WebhookSubscription{}, &WebhookSubscriptionList{},
		&WebhookEventSource{}, &WebhookEventSourceList{},
		&WebhookEventType{}, &WebhookEventTypeList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
