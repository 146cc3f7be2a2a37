// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
)

// Language is the language of filters over other variables than event. It is safe for concurrent use.
type Language struct {
	env       *cel.Env
	variables cel.EnvOption
	limit     uint64
	explain   explainer
}

// NewLanguage makes a language of its variables, whose expressions may cost limit. What explain makes of a
// mistake that the compiler has found is returned to the author: one sentence with its remedy.
func NewLanguage(variables cel.EnvOption, limit uint64, explain func(expression string, issue *common.Error) *Error) (*Language, error) {
	env, err := newEnvOf(variables)
	if err != nil {
		return nil, err
	}
	return &Language{env: env, variables: variables, limit: limit, explain: func(_ *cel.Env, expression string, issue *common.Error) *Error {
		return explain(expression, issue)
	}}, nil
}

// Env returns the environment, which must not be changed.
func (l *Language) Env() *cel.Env { return l.env }

// Condition is an expression that is true or false. It is immutable and safe for concurrent use.
type Condition struct{ program *program }

// Condition compiles an expression that must be true or false, and returns what it was parsed to as well.
// An error is an *Error without a Field.
func (l *Language) Condition(expression string) (*Condition, *ast.AST, error) {
	checked, err := compile(l.env, expression, l.limit, l.explain)
	if err != nil {
		return nil, nil, err
	}
	if err := mustBeBool(checked, "an expression"); err != nil {
		return nil, nil, err
	}
	native := checked.NativeRep()
	called := map[string]bool{}
	for _, e := range ast.MatchDescendants(ast.NavigateAST(native), ast.KindMatcher(ast.CallKind)) {
		called[e.AsCall().FunctionName()] = true
	}
	env, err := slimEnv(l.env, l.variables, called)
	if err != nil {
		return nil, nil, err
	}
	var options []cel.ProgramOption
	if !isCheap(checked) {
		options = bounded(l.limit)
	}
	p, err := programOf(env, checked, options)
	if err != nil {
		return nil, nil, err
	}
	return &Condition{program: p}, native, nil
}

// Holds evaluates the condition. An error is ErrMissing, ErrCostExceeded, ErrNotBool or ErrEvaluation.
func (c *Condition) Holds(variables interpreter.Activation) (bool, error) {
	return truth(c.program.run(variables))
}

// truth is the result of an evaluation as a truth.
func truth(result ref.Val, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	b, ok := result.(types.Bool)
	if !ok {
		return false, ErrNotBool
	}
	return bool(b), nil
}
