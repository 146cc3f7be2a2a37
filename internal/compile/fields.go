// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/catalogue"
	"github.com/posthorn-dev/posthorn/internal/filter"
	"github.com/posthorn-dev/posthorn/internal/schema"
)

// ErrField is the cause of an Error about a field that an expression reads and that does not exist.
var ErrField = errors.New("a field does not exist")

// Reads are the fields of the data that the expressions of a subscription read.
type Reads struct {
	Filter, Transform []filter.Read
}

// ReadsOf returns the fields that the expressions of a subscription read; none of those that do not
// compile, which Subscription tells.
func ReadsOf(obj *hookv1.WebhookSubscription) Reads {
	var r Reads
	if obj.Spec.Filter != "" {
		r.Filter, _ = filter.ReadsOfFilter(obj.Spec.Filter)
	}
	if p := obj.Spec.Payload; p != nil && p.Transform != "" {
		r.Transform, _ = filter.ReadsOfTransform(p.Transform)
	}
	return r
}

// ExactTypes returns the types that a subscription names, each as a whole, and false where it also
// takes types that it does not name: those of a prefix, or all.
func ExactTypes(obj *hookv1.WebhookSubscription) (types []string, only bool) {
	only = true
	for _, s := range obj.Spec.EventTypes {
		p, err := filter.ParseTypePattern(string(s))
		if err != nil || p.Exact == "" {
			only = false
			continue
		}
		types = append(types, p.Exact)
	}
	return types, only
}

// TakesType reports whether a subscription takes events of the type, by whatever pattern.
func TakesType(obj *hookv1.WebhookSubscription, eventType string) bool {
	return slices.ContainsFunc(obj.Spec.EventTypes, func(s hookv1.EventTypePattern) bool {
		p, err := filter.ParseTypePattern(string(s))
		return err == nil && p.Matches(eventType)
	})
}

// CheckFields holds what a subscription reads against the schemas of the types that it names. The
// error is an *Error with the field of the spec; behind it is ErrField.
//
// Nothing is said where one of the types that the subscription takes has no schema: the field may be
// there. A field must exist in one of the types, not in all: an expression over several types may read
// what only some have, and does not match the others.
func CheckFields(obj *hookv1.WebhookSubscription, reads Reads, types map[string]*catalogue.Type) error {
	names, only := ExactTypes(obj)
	if !only || len(names) == 0 {
		return nil
	}
	of := make([]*catalogue.Type, len(names))
	for i, name := range names {
		if of[i] = types[name]; of[i] == nil || of[i].Schema == nil {
			return nil
		}
	}
	for _, expression := range []struct {
		path  string
		reads []filter.Read
	}{{"spec.filter", reads.Filter}, {"spec.payload.transform", reads.Transform}} {
		for _, read := range expression.reads {
			if text := missing(read, of); text != "" {
				return &Error{
					Path: expression.path, Cause: ErrField,
					Message: fmt.Sprintf("line %d, column %d: %s", read.Line, read.Column, text),
				}
			}
		}
	}
	return nil
}

// missing says that a field is in none of the types; it is empty where one of them may have it.
func missing(read filter.Read, of []*catalogue.Type) string {
	steps := make([]schema.Step, len(read.Path))
	for i, s := range read.Path {
		steps[i] = schema.Step(s)
	}
	deepest := 0
	var nearest []schema.Step
	names := make([]string, len(of))
	for i, t := range of {
		at, near := t.Schema.Lookup(steps)
		if at == 0 {
			return ""
		}
		// Of several types the one that has the most of the path knows best what is meant.
		if at > deepest {
			deepest, nearest = at, near
		}
		names[i] = t.Type
	}
	text := fieldPath(steps[:deepest]) + " does not exist in " + strings.Join(names, ", ")
	if nearest != nil {
		text += "; the nearest is " + fieldPath(nearest)
	}
	return text
}

// fieldPath writes a path as an expression would read it.
func fieldPath(steps []schema.Step) string {
	var b strings.Builder
	b.WriteString("event.data")
	for _, s := range steps {
		switch {
		case s.Element:
			b.WriteString("[]")
		case isIdentifier(s.Name):
			b.WriteString("." + s.Name)
		default:
			b.WriteString("[" + strconv.Quote(s.Name) + "]")
		}
	}
	return b.String()
}

// isIdentifier reports whether a name can stand behind a dot.
func isIdentifier(s string) bool {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}
