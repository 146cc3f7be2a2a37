// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

const (
	// MaxViolations is how many violations are told: enough to see what is wrong, and no answer of the
	// size of the data.
	MaxViolations = 20
	// maxDetail and maxPointer bound the texts of a violation, in bytes, and maxShown what a text
	// repeats of the schema.
	maxDetail  = 300
	maxPointer = 500
	maxShown   = 100
	// maxLeaves is how many violations are put into an order, out of those that there are.
	maxLeaves = 10 * MaxViolations
)

// Violation is one place where data does not have the form that its schema wants.
type Violation struct {
	// Pointer is the JSON Pointer (RFC 6901) to the place in the data; empty for the whole.
	Pointer string
	// Keyword is the JSON Pointer to the keyword of the schema that is violated; empty where the data
	// could not be checked.
	Keyword string
	// Detail says what is wrong there, and repeats no value of the data that is a string.
	Detail string
}

// String returns the place and the detail.
func (v Violation) String() string {
	if v.Pointer == "" {
		return v.Detail
	}
	return "at " + v.Pointer + ": " + v.Detail
}

// english words the details of the validator.
var english = message.NewPrinter(language.English)

// violationsOf flattens what the validator found into the first of its violations.
func violationsOf(e *jsonschema.ValidationError) []Violation {
	found := leaves(e, make([]Violation, 0, MaxViolations))
	slices.SortFunc(found, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Pointer, b.Pointer), cmp.Compare(a.Keyword, b.Keyword), cmp.Compare(a.Detail, b.Detail))
	})
	found = slices.Compact(found)
	return slices.Clip(found[:min(len(found), MaxViolations)])
}

// leaves appends the violations below an error of the validator.
func leaves(e *jsonschema.ValidationError, found []Violation) []Violation {
	switch k := e.ErrorKind.(type) {
	case *kind.Schema, *kind.Group, *kind.AllOf, *kind.Reference:
		for _, cause := range e.Causes {
			if len(found) >= maxLeaves {
				break
			}
			found = leaves(cause, found)
		}
		return found
	case *kind.AnyOf:
		return alternatives(e, found, "matches none of the alternatives of anyOf")
	case *kind.OneOf:
		if len(k.Subschemas) == 0 {
			return alternatives(e, found, "matches none of the alternatives of oneOf")
		}
		return append(found, violation(e, "matches more than one of the alternatives of oneOf"))
	case *kind.Required:
		for _, name := range k.Missing {
			found = append(found, violation(e, fmt.Sprintf("misses the property %q", bounded(name, maxShown))))
		}
		return found
	case *kind.AdditionalProperties:
		for _, name := range k.Properties[:min(len(k.Properties), maxLeaves)] {
			found = append(found, violation(e, "is a property that the schema does not know", name))
		}
		return found
	case *kind.PropertyNames:
		return append(found, violation(e, "has a name that the schema does not admit", k.Property))
	}
	return append(found, violation(e, detail(e.ErrorKind)))
}

// alternatives tells of data that matches none of several subschemas. Where one of them came further
// than the place itself, it is most likely the one that is meant, so that what it found is told.
func alternatives(e *jsonschema.ValidationError, found []Violation, otherwise string) []Violation {
	var meant *jsonschema.ValidationError
	deepest := len(e.InstanceLocation)
	for _, cause := range e.Causes {
		if d := reach(cause); d > deepest {
			meant, deepest = cause, d
		}
	}
	if meant == nil {
		return append(found, violation(e, otherwise))
	}
	return leaves(meant, found)
}

// reach is how deep in the data the violations below an error lie.
func reach(e *jsonschema.ValidationError) int {
	deepest := len(e.InstanceLocation)
	for _, cause := range e.Causes {
		deepest = max(deepest, reach(cause))
	}
	return deepest
}

// violation makes the violation of an error, below its place where there are further tokens.
func violation(e *jsonschema.ValidationError, text string, below ...string) Violation {
	_, keyword, _ := strings.Cut(e.SchemaURL, "#")
	if plain, err := url.PathUnescape(keyword); err == nil { // a fragment is escaped, a pointer is not
		keyword = plain
	}
	return Violation{
		Pointer: bounded(pointer(append(slices.Clone(e.InstanceLocation), below...)), maxPointer),
		Keyword: bounded(keyword+pointer(e.ErrorKind.KeywordPath()), maxPointer),
		Detail:  bounded(text, maxDetail),
	}
}

// detail words a violation. Where the validator's words repeat a value of the data, which may be a
// secret, there are others.
func detail(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Pattern:
		return fmt.Sprintf("does not match the pattern %q", bounded(k.Want, maxShown))
	case *kind.Contains:
		return "has no element that contains admits"
	case *kind.Not:
		return "has the form that not excludes"
	case *kind.FalseSchema:
		return "is not admitted here"
	case *kind.Format: // of the schema of schemas: in data no format is a rule
		return fmt.Sprintf("%q is not of the format %s (%v)", bounded(fmt.Sprint(k.Got), maxShown), k.Want, k.Err)
	case *kind.RefCycle:
		return "cannot be checked: the schema refers to itself without an end"
	}
	return k.LocalizedString(english)
}

var escapes = strings.NewReplacer("~", "~0", "/", "~1")

// pointer writes a path as a JSON Pointer.
func pointer(path []string) string {
	var b strings.Builder
	for _, token := range path {
		b.WriteByte('/')
		b.WriteString(escapes.Replace(token))
	}
	return b.String()
}

// bounded cuts a text to at most n bytes, and no character in two.
func bounded(s string, n int) string {
	s = strings.ToValidUTF8(s, "�")
	if len(s) <= n {
		return s
	}
	cut := n - len("…")
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
