// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change

import "time"

// Operation is what happened to an object.
type Operation string

// The operations, as the API spells them.
const (
	Created Operation = "Created"
	Updated Operation = "Updated"
	Deleted Operation = "Deleted"
)

// Form is how much of the object the data of an event holds.
type Form string

// The forms. Every one of them begins with the fields of Reference.
const (
	// FormReference holds nothing else.
	FormReference Form = "Reference"
	// FormObject adds the object: the new state, or the last known one of an object that was deleted.
	FormObject Form = "Object"
	// FormPatch adds the JSON Patch from the old state to the new one and the paths that it changes; the object
	// instead where no old state is known, as of one that was created.
	FormPatch Form = "Patch"
)

// Edge says whether an event stands for the change of an object, or for an expression over it that turned.
type Edge int

// The edges.
const (
	// NoEdge is an event for a change.
	NoEdge Edge = iota
	// Turned is an event for an expression that became true.
	Turned
	// Recovered is an event for an expression that became false again, or whose object is gone.
	Recovered
)

// Resource is the kind of an object, as a source names it.
type Resource struct {
	// Group is empty for the core group.
	Group, Version, Kind string
}

// APIVersion returns group and version as objects carry them: apps/v1, or v1 for the core group.
func (r Resource) APIVersion() string {
	if r.Group == "" {
		return r.Version
	}
	return r.Group + "/" + r.Version
}

// Reference names one state of one object. It is what the data of every event begins with.
type Reference struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Namespace is empty for an object that has none.
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
	// ResourceVersion is that of the state; empty where it is not known, as of a deletion that nobody watched.
	ResourceVersion string            `json:"resourceVersion,omitempty"`
	Labels          map[string]string `json:"labels,omitempty"`
}

// ReferenceOf returns the reference to a sanitized object. Its apiVersion and kind are those that the object
// carries.
func ReferenceOf(object map[string]any) Reference {
	metadata := mapAt(object, "metadata")
	r := Reference{
		APIVersion:      stringAt(object, "apiVersion"),
		Kind:            stringAt(object, "kind"),
		Namespace:       stringAt(metadata, "namespace"),
		Name:            stringAt(metadata, "name"),
		UID:             stringAt(metadata, "uid"),
		ResourceVersion: stringAt(metadata, "resourceVersion"),
	}
	labels := mapAt(metadata, "labels")
	for key, value := range labels {
		if s, ok := value.(string); ok {
			if r.Labels == nil {
				r.Labels = make(map[string]string, len(labels))
			}
			r.Labels[key] = s
		}
	}
	return r
}

// Change is what Build makes an event of. Old and New are sanitized; they are not changed, and the event does
// not keep them.
type Change struct {
	// SourceNamespace and SourceName are those of the WebhookEventSource. The namespace is the event's, too.
	SourceNamespace, SourceName string
	// Resource is what the source asked for; the event's type is made of it.
	Resource  Resource
	Operation Operation
	Edge      Edge
	Form      Form
	// Object names the object: ReferenceOf its new state, or what is remembered of one that is gone. Its
	// resource version is the one that the id is made of: for an edge, that of the state with which it began.
	Object Reference
	// Old and New are the states before and after; nil where there is none or none is known. For a deletion Old
	// is the last state that is known, and New is nil.
	Old, New map[string]any
	// Actor is what Actor returned; empty where it is not known.
	Actor string
	// Changed are what ChangedPaths returned; nil where nobody asked. FormPatch finds them by itself.
	Changed []string
	// NetEffect says that the change was found by comparing and not watched: it may stand for several, and who
	// made them and when is the newest that the object tells.
	NetEffect bool
	// Finished says that the event stands for a whole series of a Kubernetes Event (SeriesFinished).
	Finished bool
	// Moved says that the object exists before and after: it came to be selected, which is Created, or ceased to be,
	// which is Deleted. That may happen more than once.
	Moved bool
	// Time is what Time returned.
	Time time.Time
}
