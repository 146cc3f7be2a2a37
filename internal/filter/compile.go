// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
)

// program is one compiled expression. It is safe for concurrent use.
type program struct {
	cel cel.Program
	// attributes are those that a filter reads; of a transform nobody asks.
	attributes attributes
}

// compileFilter compiles an expression that must be true or false.
func compileFilter(expression string) (*program, error) {
	env, err := filterEnv()
	if err != nil {
		return nil, err
	}
	checked, err := compile(env, expression, FilterCostLimit, explain)
	if err != nil {
		return nil, err
	}
	if err := mustBeBool(checked, "a filter"); err != nil {
		return nil, err
	}
	p, err := newProgram(env, checked, FilterCostLimit)
	if err != nil {
		return nil, err
	}
	p.attributes = attributesOf(checked)
	return p, nil
}

// mustBeBool refuses an expression whose result is known to be neither true nor false.
func mustBeBool(checked *cel.Ast, what string) error {
	if t := checked.OutputType(); !t.IsExactType(types.BoolType) && !t.IsExactType(types.DynType) {
		return &Error{Line: 1, Column: 1, Message: fmt.Sprintf(
			"%s must be true or false, this is of type %s; compare it with something", what, t)}
	}
	return nil
}

// Transform is a compiled expression whose result takes the place of an event's data. It is
// immutable and safe for concurrent use.
type Transform struct {
	program *program
}

// CompileTransform compiles a transform. It has the environment of a filter, without
// event.posthornorigin, which is never sent out, and may cost TransformCostLimit. An error is an
// *Error whose Field is "transform".
func CompileTransform(expression string) (*Transform, error) {
	env, err := transformEnv()
	if err != nil {
		return nil, err
	}
	checked, err := compile(env, expression, TransformCostLimit, explain)
	if err != nil {
		return nil, inField("transform", err)
	}
	p, err := newProgram(env, checked, TransformCostLimit)
	if err != nil {
		return nil, inField("transform", err)
	}
	return &Transform{program: p}, nil
}

// Eval returns the result for an event. An error is ErrMissing, ErrCostExceeded or ErrEvaluation.
func (t *Transform) Eval(in *Input) (ref.Val, error) { return t.program.eval(&in.sent) }

// explainer turns what the compiler says into a refusal with the place and the remedy.
type explainer func(env *cel.Env, expression string, issue *common.Error) *Error

// compile parses and checks an expression within its bounds.
func compile(env *cel.Env, expression string, limit uint64, explain explainer) (*cel.Ast, error) {
	switch {
	case strings.TrimSpace(expression) == "":
		return nil, &Error{Message: "must not be blank; leave it out where there is none"}
	case len(expression) > MaxExpressionBytes:
		return nil, &Error{Message: fmt.Sprintf("must not be longer than %d bytes; shorten it, or write more than one subscription", MaxExpressionBytes)}
	}
	checked, issues := env.Compile(expression)
	if issues.Err() != nil {
		return nil, explain(env, expression, issues.Errors()[0])
	}
	if err := checkLiterals(checked); err != nil {
		return nil, err
	}
	// The most that it may cost depends on the events, and is bounded when it runs. The least shows
	// already whether it can run at all.
	estimate, err := env.EstimateCost(checked, sizes{})
	if err != nil {
		return nil, &Error{Line: 1, Column: 1, Message: "its cost cannot be estimated (" + Bound(err.Error()) + "); simplify it"}
	}
	if estimate.Min > limit {
		return nil, &Error{Line: 1, Column: 1, Cause: ErrCostExceeded, Message: fmt.Sprintf(
			"costs at least %d, more than the %d that are allowed; loop over fewer elements", estimate.Min, limit)}
	}
	return checked, nil
}

// sizes knows nothing of the sizes of events, which leaves the least cost right.
type sizes struct{}

// EstimateSize returns no estimate.
func (sizes) EstimateSize(checker.AstNode) *checker.SizeEstimate { return nil }

// EstimateCallCost returns no estimate.
func (sizes) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil
}

// checkLiterals refuses three forms that the compiler lets pass. A pattern of matches that comes out of
// an event would be compiled anew for every event, at a cost that its producer chooses; one that cannot be
// read is found only when the program is made, which knows no place; and messages of Protocol Buffers have
// no place in what is JSON.
func checkLiterals(checked *cel.Ast) error {
	native := checked.NativeRep()
	refuse := func(e ast.Expr, message string) error {
		at := native.SourceInfo().GetStartLocation(e.ID())
		return &Error{Line: at.Line(), Column: at.Column() + 1, Message: message}
	}
	root := ast.NavigateAST(native)
	for _, e := range ast.MatchDescendants(root, ast.FunctionMatcher("matches")) {
		args := e.AsCall().Args()
		if len(args) == 0 || isNoLiteral(args[len(args)-1]) {
			return refuse(e, `the pattern of matches must be a literal string, such as matches("^orders/"); `+
				"to look for what the event holds, write ==, contains or startsWith")
		}
		pattern := args[len(args)-1]
		text, _ := pattern.AsLiteral().Value().(string)
		if _, err := regexp.Compile(text); err != nil {
			return refuse(pattern, Bound(err.Error())+"; correct the pattern, it is one of RE2, "+
				"without look-ahead and back-references: https://github.com/google/re2/wiki/Syntax")
		}
	}
	for _, e := range ast.MatchDescendants(root, ast.KindMatcher(ast.StructKind)) {
		return refuse(e, `messages cannot be made here; write a map such as {"id": event.id}`)
	}
	return nil
}

func newProgram(env *cel.Env, checked *cel.Ast, limit uint64) (*program, error) {
	options := bounded(limit)
	if isCheap(checked) {
		var err error
		if env, err = cheapEnv(); err != nil {
			return nil, err
		}
		options = nil
	}
	return programOf(env, checked, options)
}

func programOf(env *cel.Env, checked *cel.Ast, options []cel.ProgramOption) (*program, error) {
	p, err := env.Program(checked, options...)
	if err != nil {
		return nil, &Error{Line: 1, Column: 1, Message: "does not compile (" + Bound(err.Error()) + "); write it otherwise"}
	}
	return &program{cel: p}, nil
}

// eval evaluates the program of an event, and puts its failures in the classes of errors.go.
func (p *program) eval(event *eventValue) (ref.Val, error) { return p.run((*activation)(event)) }

func (p *program) run(variables interpreter.Activation) (ref.Val, error) {
	result, _, err := p.cel.Eval(variables)
	switch {
	case err == nil:
		return result, nil
	case isCostError(err):
		return nil, ErrCostExceeded
	case isMissing(err):
		return nil, fmt.Errorf("%w: %s", ErrMissing, Bound(err.Error()))
	}
	return nil, fmt.Errorf("%w: %s", ErrEvaluation, Bound(err.Error()))
}
