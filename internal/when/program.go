// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package when

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"

	"github.com/posthorn-dev/posthorn/internal/filter"
)

// Operations, as expressions see them.
const (
	Created = "Created"
	Updated = "Updated"
	Deleted = "Deleted"
)

// Program is one compiled expression. It is immutable and safe for concurrent use.
type Program struct {
	condition     *filter.Condition
	root          *node
	usesOldObject bool
	usesOperation bool
}

// Compile compiles an expression that is true or false of a change, against the schema of the kind;
// nil where there is none. An error is an *Error, whose Field is "expression", and says what to write
// instead.
func Compile(expression string, schema *Schema) (*Program, error) {
	if schema == nil {
		schema = untyped
	}
	language, err := schema.language()
	if err != nil {
		return nil, err
	}
	condition, parsed, err := language.Condition(expression)
	var refused *Error
	switch {
	case errors.As(err, &refused):
		placed := *refused
		placed.Field = "expression"
		return nil, &placed
	case err != nil:
		return nil, err
	}
	return &Program{
		condition: condition, root: schema.root,
		usesOldObject: reads(parsed, oldObjectVariable), usesOperation: reads(parsed, operationVariable),
	}, nil
}

// reads reports whether an expression reads a variable.
func reads(parsed *ast.AST, variable string) bool {
	for _, e := range ast.MatchDescendants(ast.NavigateAST(parsed), ast.KindMatcher(ast.IdentKind)) {
		if e.AsIdent() == variable {
			return true
		}
	}
	return false
}

// UsesOldObject reports whether the expression reads oldObject, so that the caller has to keep it.
func (p *Program) UsesOldObject() bool { return p.usesOldObject }

// UsesOperation reports whether the expression reads operation, so that it can be another of the same object.
func (p *Program) UsesOperation() bool { return p.usesOperation }

// Eval reports whether the expression holds of a change: object is the object after it, or its last
// state where it was deleted; oldObject is the object before it, and nil where it was created. On
// Deleted both are the last state. Objects are JSON as package unstructured of Kubernetes decodes it,
// are not changed, and must not change meanwhile.
//
// An error is ErrMissing, which callers take for an expression that does not hold, or ErrCostExceeded,
// ErrNotBool or ErrEvaluation, which say nothing about the object: callers count them, and leave what
// they knew about it as it is. The result is then false.
func (p *Program) Eval(operation string, object, oldObject map[string]any) (bool, error) {
	holds, err := p.condition.Holds(&change{
		operation: operation,
		object:    p.variable(object),
		oldObject: p.variable(oldObject),
	})
	return holds, failure(err)
}

// variable returns an object as expressions see it.
func (p *Program) variable(fields map[string]any) any {
	if fields == nil {
		return types.NullValue
	}
	return p.root.value(withoutManagedFields(fields))
}

// withoutManagedFields returns the object without what expressions do not see.
func withoutManagedFields(fields map[string]any) map[string]any {
	metadata, _ := fields["metadata"].(map[string]any)
	if _, ok := metadata[managedFields]; !ok {
		return fields
	}
	metadata = maps.Clone(metadata)
	delete(metadata, managedFields)
	fields = maps.Clone(fields)
	fields["metadata"] = metadata
	return fields
}

// failures are those of package filter, and what they are called here.
var failures = []struct{ is, called error }{
	{filter.ErrMissing, ErrMissing},
	{filter.ErrCostExceeded, ErrCostExceeded},
	{filter.ErrNotBool, ErrNotBool},
	{filter.ErrEvaluation, ErrEvaluation},
}

func failure(err error) error {
	for _, f := range failures {
		if errors.Is(err, f.is) {
			return fmt.Errorf("%w%s", f.called, strings.TrimPrefix(err.Error(), f.is.Error()))
		}
	}
	return err
}
