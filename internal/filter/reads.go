// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"maps"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
)

// Read is a field of the data that an expression reads.
type Read struct {
	// Path leads to it from the data.
	Path []Step
	// Line and Column are the place in the expression, both from 1.
	Line, Column int
}

// Step is one step of a path into the data: to the member of that name, or to any element of a list.
type Step struct {
	Name    string
	Element bool
}

// ReadsOfFilter returns the fields of event.data that a filter reads, in the order of the expression:
// event.data.a.b, has(event.data.a), event.data.?a, event.data["a"], and those of the elements that a
// loop goes through. What becomes of a value that was computed is not followed. It is for the
// operator's checks, and compiles the expression anew; an error is that of NewMatcher.
func ReadsOfFilter(expression string) ([]Read, error) {
	env, err := filterEnv()
	if err != nil {
		return nil, err
	}
	return reads(env, expression, FilterCostLimit, "filter")
}

// ReadsOfTransform is ReadsOfFilter for a transform; an error is that of CompileTransform.
func ReadsOfTransform(expression string) ([]Read, error) {
	env, err := transformEnv()
	if err != nil {
		return nil, err
	}
	return reads(env, expression, TransformCostLimit, "transform")
}

func reads(env *cel.Env, expression string, limit uint64, field string) ([]Read, error) {
	checked, err := compile(env, expression, limit, explain)
	if err != nil {
		return nil, inField(field, err)
	}
	native := checked.NativeRep()
	r := reader{info: native.SourceInfo(), scope: map[string]*source{}}
	r.follow(native.Expr())
	return r.reads, nil
}

// source is where the value of an expression comes from: the event itself, or a place in its data. A
// nil one comes from elsewhere, or from a place that is not known.
type source struct {
	event bool
	path  []Step
}

// at is the source of something within the value.
func (s *source) at(step Step) *source {
	path := make([]Step, len(s.path), len(s.path)+1)
	copy(path, s.path)
	return &source{path: append(path, step)}
}

// reader goes through an expression.
type reader struct {
	info  *ast.SourceInfo
	reads []Read
	// scope holds the variables of loops.
	scope map[string]*source
}

// follow notes what an expression reads, and returns where its value comes from.
func (r *reader) follow(e ast.Expr) *source {
	switch e.Kind() {
	case ast.IdentKind:
		name := e.AsIdent()
		if from, bound := r.scope[name]; bound {
			return from
		}
		if name == eventVariable {
			return &source{event: true}
		}
	case ast.SelectKind:
		selected := e.AsSelect()
		return r.member(e, r.follow(selected.Operand()), selected.FieldName())
	case ast.CallKind:
		return r.call(e, e.AsCall())
	case ast.ComprehensionKind:
		return r.loop(e.AsComprehension())
	case ast.ListKind:
		for _, element := range e.AsList().Elements() {
			r.follow(element)
		}
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			r.follow(entry.AsMapEntry().Key())
			r.follow(entry.AsMapEntry().Value())
		}
	}
	return nil
}

// member notes that a member is read, and returns where it is.
func (r *reader) member(e ast.Expr, from *source, name string) *source {
	switch {
	case from == nil:
		return nil
	case from.event && name == "data":
		return &source{}
	case from.event:
		return nil
	}
	found := from.at(Step{Name: name})
	at := r.info.GetStartLocation(e.ID())
	r.reads = append(r.reads, Read{Path: found.path, Line: at.Line(), Column: at.Column() + 1})
	return found
}

// call notes what the operands of a call read. Of its functions those are followed that hand a value
// on as it is.
func (r *reader) call(e ast.Expr, c ast.CallExpr) *source {
	var operands []*source
	if c.IsMemberFunction() {
		operands = append(operands, r.follow(c.Target()))
	}
	for _, arg := range c.Args() {
		operands = append(operands, r.follow(arg))
	}
	switch c.FunctionName() {
	case operators.Index, operators.OptIndex, operators.OptSelect:
		return r.index(e, operands[0], c.Args()[1])
	case "value", "or", "orValue": // of an optional value
		if c.IsMemberFunction() {
			return operands[0]
		}
	}
	return nil
}

// index returns where an element or a member is that is read by an index.
func (r *reader) index(e ast.Expr, from *source, index ast.Expr) *source {
	if from == nil || index.Kind() != ast.LiteralKind {
		return nil
	}
	switch value := index.AsLiteral().(type) {
	case types.String:
		return r.member(e, from, string(value))
	case types.Int, types.Uint:
		if !from.event {
			return from.at(Step{Element: true})
		}
	}
	return nil
}

// loop follows all(), exists(), map() and their like, each of which is one comprehension. Where the
// range is a map, its variable is a key and no element; what the data is not described as, nobody
// looks up.
func (r *reader) loop(c ast.ComprehensionExpr) *source {
	over := r.follow(c.IterRange())
	var element *source
	if over != nil && !over.event {
		element = over.at(Step{Element: true})
	}
	start := r.follow(c.AccuInit())
	outer := r.scope
	// The step and the condition see all variables, the result that of the accumulator alone.
	result := maps.Clone(outer)
	result[c.AccuVar()] = start
	inner := maps.Clone(result)
	inner[c.IterVar()] = element
	r.scope = inner
	r.follow(c.LoopCondition())
	r.follow(c.LoopStep())
	r.scope = result
	r.follow(c.Result())
	r.scope = outer
	return nil
}
