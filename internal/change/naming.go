// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"strings"
	"time"
)

// Prefix is what the type of every event from a Kubernetes object begins with.
const Prefix = "dev.posthorn.kubernetes."

// RecoveredSuffix is what the type of an event that tells of the end of an edge ends with.
const RecoveredSuffix = ".recovered"

// Type returns the type of an event: dev.posthorn.kubernetes.<group>.<kind>.<operation>, all in lower case, where
// the core group is written core. An edge that ends adds .recovered:
//
//	dev.posthorn.kubernetes.apps.deployment.updated
//	dev.posthorn.kubernetes.core.pod.deleted
//	dev.posthorn.kubernetes.cert-manager.io.certificate.updated.recovered
func Type(group, kind string, operation Operation, edge Edge) string {
	if group == "" {
		group = "core"
	}
	t := Prefix + strings.ToLower(group+"."+kind+"."+string(operation))
	if edge == Recovered {
		t += RecoveredSuffix
	}
	return t
}

// Source returns the source of the events of a WebhookEventSource: /namespaces/<namespace>/webhookeventsources/<name>.
// Events of two sources about one change have the same id, and differ by it.
func Source(namespace, name string) string {
	return "/namespaces/" + namespace + "/webhookeventsources/" + name
}

// Subject returns the subject of events about an object: <namespace>/<name>, or <name> where it has no namespace.
func Subject(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

// ID returns the id of an event, the same whenever the event is made again, so that a repetition is known as one:
//
//	<uid>-created                            an object is created once; what lists it later sees another version
//	<uid>-<resourceVersion>-updated
//	<uid>-deleted                            a list that misses the object knows no version of the deletion
//	<uid>-<resourceVersion>-<operation>-turned      an edge, with the version with which it began or ended
//	<uid>-<resourceVersion>-<operation>-recovered
//	<uid>-deleted-turned                     an edge that began, or ended, with the end of its object
//	<uid>-deleted-recovered
//	<uid>-<resourceVersion>-finished         a series of a Kubernetes Event
//	<uid>-<resourceVersion>-<operation>      an object that came to be selected, or ceased to be (moved)
func ID(uid, resourceVersion string, operation Operation, edge Edge, finished, moved bool) string {
	if finished {
		return uid + "-" + resourceVersion + "-finished"
	}
	id := uid
	if operation == Updated || operation == Created && edge != NoEdge || moved {
		id += "-" + resourceVersion
	}
	id += "-" + strings.ToLower(string(operation))
	switch edge {
	case NoEdge:
	case Turned:
		id += "-turned"
	case Recovered:
		id += "-recovered"
	}
	return id
}

// Time returns the time of a change, from the object where it tells:
//
//   - created: its creationTimestamp;
//   - updated: when the newest of its managed fields were set, if that was later than the newest known before;
//   - deleted: its deletionTimestamp, by when it was to be gone, if it was not gone earlier;
//   - a Kubernetes Event, created or updated: when it was last seen.
//
// Otherwise it is the time at which the change was observed. The object is sanitized, or the last state known of
// one that is gone; nil if there is none. before are the managers of the state before, nil if they are not known.
func Time(operation Operation, object map[string]any, before, after Managers, observed time.Time) time.Time {
	metadata := mapAt(object, "metadata")
	if operation == Deleted {
		if t := timeAt(metadata, "deletionTimestamp"); !t.IsZero() && t.Before(observed) {
			return t
		}
		return observed
	}
	if e, ok := ParseKubernetesEvent(object); ok && !e.LastSeen.IsZero() {
		return e.LastSeen
	}
	if operation == Created {
		if t := CreationOf(object); !t.IsZero() {
			return t
		}
		return observed
	}
	if t := after.newest(); t.After(before.newest()) {
		return t
	}
	return observed
}

// CreationOf returns when an object was created, to the second; the zero time where it does not say so.
func CreationOf(object map[string]any) time.Time {
	return timeAt(mapAt(object, "metadata"), "creationTimestamp")
}
