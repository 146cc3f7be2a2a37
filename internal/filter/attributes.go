// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
)

// attributes are those of an event that an expression reads.
type attributes struct {
	names []string
	// all says that it reads the event in a way that does not tell which.
	all bool
}

// attributesOf returns what an expression reads.
func attributesOf(checked *cel.Ast) attributes {
	var a attributes
	for _, e := range ast.MatchDescendants(ast.NavigateAST(checked.NativeRep()), ast.KindMatcher(ast.IdentKind)) {
		if e.AsIdent() != eventVariable {
			continue
		}
		parent, ok := e.Parent()
		switch {
		case !ok || parent.Kind() != ast.SelectKind:
			a.all = true
		case !slices.Contains(a.names, parent.AsSelect().FieldName()):
			a.names = append(a.names, parent.AsSelect().FieldName())
		}
	}
	return a
}

// Reads reports whether the expression may read an attribute of the events of a source. Types are not looked at.
func (m *Matcher) Reads(attribute, source string) bool {
	return m.filter != nil && (m.filter.attributes.all || slices.Contains(m.filter.attributes.names, attribute)) && m.matchesSource(source)
}
