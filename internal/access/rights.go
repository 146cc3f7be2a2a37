// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package access

// The rights that Posthorn's HTTP APIs ask for. Most of their resources are virtual: there are no such
// objects, only rules about them in Roles and ClusterRoles.
var (
	// PostEvents is the right to post events to a namespace.
	PostEvents = Attributes{Verb: "create", Group: "posthorn.dev", Resource: "events"}
	// ReadDeliveries is the right to read a namespace's delivery log, dead letters and circuits.
	ReadDeliveries = Attributes{Verb: "get", Group: "log.posthorn.dev", Resource: "webhookdeliveries"}
	// ReadDeliveryEvents is the right to read the events themselves, with what is in them.
	ReadDeliveryEvents = Attributes{
		Verb: "get", Group: "log.posthorn.dev", Resource: "webhookdeliveries", Subresource: "event",
	}
	// ReadEventTypes is the right to read what a namespace's types of events look like, in the catalogue as
	// with kubectl.
	ReadEventTypes = Attributes{Verb: "get", Group: "posthorn.dev", Resource: "webhookeventtypes"}
	// ReadMetrics is the right to scrape the metrics, by the path that Kubernetes' components use too.
	ReadMetrics = Attributes{Verb: "get", Path: "/metrics"}
)
