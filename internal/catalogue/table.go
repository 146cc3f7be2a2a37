// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package catalogue

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/posthorn-dev/posthorn/internal/schema"
)

// Type is one type of a namespace's events. It is safe for concurrent use; all but the time at which
// it was seen last is immutable.
type Type struct {
	// Namespace and Name are those of the object that describes the type.
	Namespace, Name string
	// UID and Generation are the object's.
	UID        string
	Generation int64
	// Type is the type of CloudEvents.
	Type string
	// Description says what events of the type tell; empty without one.
	Description string
	// Warn says that events which violate the schema are counted and taken; otherwise they are refused.
	Warn bool
	// Schema is what the data is checked by; nil where any data is valid. Raw is the same as it was
	// written, and Examples are data that is valid by it.
	Schema   *schema.Schema
	Raw      []byte
	Examples [][]byte

	// seen is the Unix time, in seconds, at which an event of the type was accepted last.
	seen atomic.Int64
}

// See notes that an event of the type was accepted.
func (t *Type) See(now time.Time) {
	// Written once a second at most, so that the CPUs of a busy type do not contend for it.
	if s := now.Unix(); s > t.seen.Load() {
		t.seen.Store(s)
	}
}

// Seen returns when an event of the type was accepted last by this process, to the second; the zero
// time when none was.
func (t *Type) Seen() time.Time {
	if s := t.seen.Load(); s > 0 {
		return time.Unix(s, 0)
	}
	return time.Time{}
}

// Table holds the types of all namespaces, each described by one object. It is immutable and safe for
// concurrent use.
type Table struct {
	namespaces map[string]map[string]*Type
}

// NewTable returns the table of these types.
func NewTable(types []*Type) *Table {
	t := &Table{namespaces: map[string]map[string]*Type{}}
	for _, one := range types {
		of := t.namespaces[one.Namespace]
		if of == nil {
			of = map[string]*Type{}
			t.namespaces[one.Namespace] = of
		}
		of[one.Type] = one
	}
	return t
}

// Namespace returns the types of a namespace by their type; nil when it describes none. It must not be
// changed.
func (t *Table) Namespace(name string) map[string]*Type { return t.namespaces[name] }

// Of returns the types of a namespace in the order of their type.
func (t *Table) Of(namespace string) []*Type {
	return slices.SortedFunc(maps.Values(t.namespaces[namespace]), func(a, b *Type) int {
		return strings.Compare(a.Type, b.Type)
	})
}

// All calls visit for every type.
func (t *Table) All(visit func(*Type)) {
	for _, of := range t.namespaces {
		for _, one := range of {
			visit(one)
		}
	}
}
