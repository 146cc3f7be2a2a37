// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package when

import (
	"fmt"
	"maps"
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/interpreter"

	"github.com/posthorn-dev/posthorn/internal/filter"
)

// CostLimit is what one evaluation may cost: as much as that of a filter, which is enough to loop over about
// 2,000 elements.
const CostLimit = filter.FilterCostLimit

// The variables of an expression.
const (
	objectVariable    = "object"
	oldObjectVariable = "oldObject"
	operationVariable = "operation"
)

// newLanguage makes the language of expressions over the objects of a schema.
func newLanguage(s *Schema) (*filter.Language, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("make registry of types: %w", err)
	}
	p := &provider{Registry: registry, named: s.named}
	variables := func(env *cel.Env) (*cel.Env, error) {
		for _, option := range []cel.EnvOption{
			cel.CustomTypeProvider(p),
			cel.CustomTypeAdapter(registry),
			cel.Variable(objectVariable, s.root.celType()),
			cel.Variable(oldObjectVariable, s.root.celType()),
			cel.Variable(operationVariable, types.StringType),
		} {
			var err error
			if env, err = option(env); err != nil {
				return nil, fmt.Errorf("declare variables: %w", err)
			}
		}
		return env, nil
	}
	var language *filter.Language
	language, err = filter.NewLanguage(variables, CostLimit, func(expression string, issue *common.Error) *Error {
		return explain(language.Env(), p, expression, issue)
	})
	if err != nil {
		return nil, fmt.Errorf("make the language of a schema: %w", err)
	}
	return language, nil
}

// provider adds the types of a schema to the standard types.
type provider struct {
	*types.Registry
	named map[string]*node
}

// FindStructType finds a type of the schema.
func (p *provider) FindStructType(name string) (*types.Type, bool) {
	if n, ok := p.named[name]; ok {
		return types.NewTypeTypeWithParam(n.cel), true
	}
	return p.Registry.FindStructType(name)
}

// FindStructFieldNames returns the fields of a type.
func (p *provider) FindStructFieldNames(structType string) ([]string, bool) {
	if n, ok := p.named[structType]; ok {
		return slices.Sorted(maps.Keys(n.fields)), true
	}
	return p.Registry.FindStructFieldNames(structType)
}

// FindStructFieldType describes a field to the compiler and to the interpreter: its type, how it is read,
// and how has() finds it.
func (p *provider) FindStructFieldType(structType, name string) (*types.FieldType, bool) {
	n, ok := p.named[structType]
	if !ok {
		return p.Registry.FindStructFieldType(structType, name)
	}
	plain, f := n.field(name)
	if f == nil {
		return nil, false
	}
	return &types.FieldType{
		Type: f.celType(),
		IsSet: func(target any) bool {
			o, ok := target.(*objectValue)
			return ok && o.fields[plain] != nil
		},
		GetFrom: func(target any) (any, error) {
			if o, ok := target.(*objectValue); ok {
				return o.get(plain, f)
			}
			return nil, missingError(name) // of an oldObject that is null
		},
	}, true
}

// change is the variables of an evaluation.
type change struct {
	operation         string
	object, oldObject any
}

var _ interpreter.Activation = (*change)(nil)

// ResolveName returns the value of a variable.
func (c *change) ResolveName(name string) (any, bool) {
	switch name {
	case objectVariable:
		return c.object, true
	case oldObjectVariable:
		return c.oldObject, true
	case operationVariable:
		return c.operation, true
	}
	return nil, false
}

// Parent returns the enclosing variables; there are none.
func (c *change) Parent() interpreter.Activation { return nil }
