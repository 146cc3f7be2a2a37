// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package routing

import (
	"github.com/posthorn-dev/posthorn/internal/catalogue"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// Update is one state of the routing as Run hands it out.
type Update struct {
	// Table holds what can be routed.
	Table *Table
	// Types are the descriptions of types that events are checked by.
	Types *catalogue.Table
	// Invalid lists the objects that exist and are not in the table, in the order of kind and name.
	// They are not deleted: what waits for them goes on waiting.
	Invalid []Invalid
	// Sources are the event sources, in the order of their names.
	Sources []*compile.EventSource
	// SameTable says that at most sources and types differ from the update before: the table is the same one, and so
	// are the invalid objects of the kinds that it is made from.
	SameTable bool
}

// Invalid is an object that is not routed.
type Invalid struct {
	// Kind is the object's, as in manifests.
	Kind string
	Name delivery.Name
	// UID and Generation are those of the object that was looked at.
	UID        string
	Generation int64
	// Reason is one of the reasons of the condition Routed: CredentialsPending, InvalidSpec or TypeConflict.
	Reason string
	// Message is one sentence for a user, without secrets and addresses.
	Message string
}
