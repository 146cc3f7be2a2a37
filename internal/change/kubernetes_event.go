// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"strings"
	"time"
)

// KubernetesEvent is what a Kubernetes Event says, of whichever of its two APIs (events.k8s.io/v1 and v1) and
// whichever client wrote it.
type KubernetesEvent struct {
	// Reason is why, in CamelCase; Type is Normal or Warning; Action is what was done, empty with older clients.
	Reason, Type, Action string
	// Note is the message for people.
	Note string
	// Regarding is the object that the event is about.
	Regarding ObjectReference
	// ReportingController is who reports, such as kubelet.
	ReportingController string
	// Count is how often it was seen: 1, or more for a series.
	Count int64
	// Series says that the client keeps a series (events.k8s.io/v1): it writes the count with the second occurrence,
	// then every 30 minutes, and once more when it ended.
	Series bool
	// LastSeen is when it was last seen.
	LastSeen time.Time
}

// ObjectReference names an object that a Kubernetes Event is about.
type ObjectReference struct {
	APIVersion, Kind, Namespace, Name, UID string
	// FieldPath is a part of the object, such as spec.containers{web}; mostly empty.
	FieldPath string
}

// IsKubernetesEvent says whether a resource is one of the two in which Kubernetes Events are served.
func IsKubernetesEvent(resource Resource) bool {
	return resource.Kind == "Event" && (resource.Group == "" || resource.Group == "events.k8s.io")
}

// ParseKubernetesEvent reads a Kubernetes Event. It reports false when the object is none.
func ParseKubernetesEvent(object map[string]any) (KubernetesEvent, bool) {
	group, _, found := strings.Cut(stringAt(object, "apiVersion"), "/")
	if !found {
		group = ""
	}
	if !IsKubernetesEvent(Resource{Group: group, Kind: stringAt(object, "kind")}) {
		return KubernetesEvent{}, false
	}
	series := mapAt(object, "series")
	e := KubernetesEvent{
		Reason:              stringAt(object, "reason"),
		Type:                stringAt(object, "type"),
		Action:              stringAt(object, "action"),
		Note:                firstOf(stringAt(object, "note"), stringAt(object, "message")),
		Regarding:           regarding(object),
		ReportingController: reporter(object),
		Count:               max(1, intAt(series, "count"), intAt(object, "deprecatedCount"), intAt(object, "count")),
		Series:              series != nil,
		LastSeen: newest(timeAt(series, "lastObservedTime"), timeAt(object, "eventTime"),
			timeAt(object, "deprecatedLastTimestamp"), timeAt(object, "lastTimestamp"),
			timeAt(object, "deprecatedFirstTimestamp"), timeAt(object, "firstTimestamp")),
	}
	if e.LastSeen.IsZero() {
		e.LastSeen = timeAt(mapAt(object, "metadata"), "creationTimestamp")
	}
	return e, true
}

func regarding(object map[string]any) ObjectReference {
	r := mapAt(object, "regarding")
	if r == nil {
		r = mapAt(object, "involvedObject")
	}
	return ObjectReference{
		APIVersion: stringAt(r, "apiVersion"),
		Kind:       stringAt(r, "kind"),
		Namespace:  stringAt(r, "namespace"),
		Name:       stringAt(r, "name"),
		UID:        stringAt(r, "uid"),
		FieldPath:  stringAt(r, "fieldPath"),
	}
}

func reporter(object map[string]any) string {
	return firstOf(stringAt(object, "reportingController"), stringAt(object, "reportingComponent"),
		stringAt(mapAt(object, "deprecatedSource"), "component"), stringAt(mapAt(object, "source"), "component"))
}

// firstOf returns the first that is not empty.
func firstOf(values ...string) string {
	for _, s := range values {
		if s != "" {
			return s
		}
	}
	return ""
}
