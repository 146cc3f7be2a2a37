// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package event

import "time"

// Event is one CloudEvent 1.0 of a tenant, immutable once it was parsed. Everything after ingest
// shares it between goroutines and between the deliveries that it fans out to.
type Event struct {
	// Namespace is the Kubernetes namespace, and so the tenant, that the event belongs to.
	Namespace string
	// ID, Source and Type are the required context attributes of CloudEvents 1.0.
	ID, Source, Type string
	// Subject, DataContentType and DataSchema are the optional ones; empty when absent.
	Subject, DataContentType, DataSchema string
	// Time is the context attribute of that name; the zero time when absent.
	Time time.Time
	// Extensions are the extension attributes by lower-case name. A value is a string, a bool,
	// an int32 or a []byte, the types of CloudEvents that JSON tells apart. Nil when there are none.
	Extensions map[string]any
	// Origin says who brought the event: a ServiceAccount, a receiver or a source. It is stored and
	// visible to filters as posthornorigin, and never sent out.
	Origin string
	// Data is the payload as it came, after base64 was decoded; nil when absent.
	Data []byte
}
