// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"errors"
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
)

// Bounds of an expression. A unit of cost is one step of the interpreter, 100 to 200 ns, or as much
// data as takes about that long.
const (
	// MaxExpressionBytes is how long an expression may be.
	MaxExpressionBytes = 4096
	// FilterCostLimit is what one evaluation of a filter may cost: a few milliseconds at worst. A
	// comparison costs 3 or 4, one turn of a loop about 10.
	FilterCostLimit = 20_000
	// TransformCostLimit is what one evaluation of a transform may cost. It is higher, since a
	// transform runs only for events that are sent, and builds what it returns.
	TransformCostLimit = 200_000
)

// Bytes, or elements, that count as one unit.
const (
	// scanBytes is for functions that run at the speed of memory: comparing, searching, joining.
	scanBytes = 64
	// runeBytes is for functions that decode characters.
	runeBytes = 16
	// elementsPerUnit is for lists and maps that are walked through.
	elementsPerUnit = 2
)

// costs charges every call by the size of what it read and made. The interpreter's own figures hold
// only for overloads that are known when it compiles; values out of event.data are of no known type,
// and would be doubled, compared and searched for one unit a call.
type costs struct{}

var _ interpreter.ActualCostEstimator = costs{}

// CallCost returns what a call has cost.
func (costs) CallCost(function, _ string, args []ref.Val, result ref.Val) *uint64 {
	cost := uint64(1)
	switch function {
	case operators.LogicalNot, operators.NotStrictlyFalse, operators.Subtract, operators.Negate, operators.Multiply,
		operators.Divide, operators.Modulo:
	case operators.Equals, operators.NotEquals:
		cost += min(weight(args[0]), weight(args[1]))
	case operators.In:
		cost += weight(args[1])
	case operators.Add:
		if _, accumulates := result.(traits.MutableLister); !accumulates {
			cost += weight(result)
		}
	case "startsWith", "endsWith":
		cost += bytesOf(args[1]) / scanBytes
	case "matches":
		cost += bytesOf(args[0])/scanBytes + bytesOf(args[0])*bytesOf(args[1])/runeBytes
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals, "contains", "replace", "join":
		for _, a := range args {
			cost += weight(a)
		}
		cost += weight(result)
	default:
		for _, a := range args {
			cost += bytesOf(a) / runeBytes
		}
		cost += weight(result)
	}
	return &cost
}

// Raw is a value that stands for another, as which it is weighed: nil, bool, int64, float64, string, []any or
// map[string]any.
type Raw interface{ Raw() any }

// bytesOf returns how long a string is, 0 for anything else.
func bytesOf(v ref.Val) uint64 {
	switch v := v.(type) {
	case types.String:
		return uint64(len(v))
	case types.Bytes:
		return uint64(len(v))
	}
	return 0
}

// weight returns the cost of walking through a value, all that it holds included. It stops counting
// at the highest limit, so that weighing is itself bounded.
func weight(v ref.Val) uint64 {
	switch v := v.(type) {
	case types.String, types.Bytes:
		return bytesOf(v) / scanBytes
	case Raw, traits.Lister, traits.Mapper:
		w := scale{left: TransformCostLimit * elementsPerUnit}
		w.weigh(v)
		return uint64(TransformCostLimit*elementsPerUnit-max(w.left, 0)) / elementsPerUnit //nolint:gosec // never below 0
	}
	return 0
}

// scale counts elements down to nothing.
type scale struct{ left int }

func (s *scale) weigh(v any) { //nolint:gocyclo // one case a type
	if s.left--; s.left < 0 {
		return
	}
	switch v := v.(type) {
	case Raw:
		s.weigh(v.Raw())
	case string:
		s.left -= len(v) / scanBytes
	case []byte:
		s.left -= len(v) / scanBytes
	case types.String:
		s.left -= len(v) / scanBytes
	case types.Bytes:
		s.left -= len(v) / scanBytes
	case []any:
		for i := 0; i < len(v) && s.left > 0; i++ {
			s.weigh(v[i])
		}
	case map[string]any:
		for _, e := range v {
			if s.weigh(e); s.left < 0 {
				return
			}
		}
	case traits.Lister:
		for it := v.Iterator(); s.left > 0 && it.HasNext() == types.True; {
			s.weigh(it.Next())
		}
	case traits.Mapper:
		for it := v.Iterator(); s.left > 0 && it.HasNext() == types.True; {
			key := it.Next()
			s.weigh(key)
			s.weigh(v.Get(key))
		}
	}
}

// bounded are the options of a program: it stops at the limit.
func bounded(limit uint64) []cel.ProgramOption {
	return []cel.ProgramOption{
		cel.CostTracking(costs{}),
		cel.CostLimit(limit),
		cel.OptimizeRegex(boundedMatches),
	}
}

// isCheap reports whether no event can make the expression dear, so that nothing needs to be counted
// while it runs, which takes about half of the time. Most filters are: there is no loop in them, and
// every call is a logical operator, a presence test or the comparison of something with a literal.
// MaxExpressionBytes then bounds the number of calls, and the literal what each of them looks at.
func isCheap(checked *cel.Ast) bool {
	for _, e := range ast.MatchDescendants(ast.NavigateAST(checked.NativeRep()), ast.AllMatcher()) {
		switch e.Kind() {
		case ast.LiteralKind, ast.IdentKind, ast.SelectKind:
		case ast.ListKind:
			if !slices.ContainsFunc(e.AsList().Elements(), isNoLiteral) {
				continue
			}
			return false
		case ast.CallKind:
			if !isCheapCall(e.AsCall()) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func isNoLiteral(e ast.Expr) bool { return e.Kind() != ast.LiteralKind }

// cheapFunctions are those of which isCheapCall may say that a call is cheap.
var cheapFunctions = map[string]bool{
	operators.LogicalAnd: true, operators.LogicalOr: true, operators.LogicalNot: true, operators.Conditional: true,
	operators.Equals: true, operators.NotEquals: true, operators.Less: true, operators.LessEquals: true,
	operators.Greater: true, operators.GreaterEquals: true, operators.In: true, operators.Index: true,
	"startsWith": true, "endsWith": true, "contains": true,
}

func isCheapCall(call ast.CallExpr) bool {
	args := call.Args()
	switch call.FunctionName() {
	case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional:
		return true
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return !isNoLiteral(args[0]) || !isNoLiteral(args[1])
	case operators.In:
		return args[1].Kind() == ast.ListKind // of literals; a list of the event may be of any length
	case operators.Index, "startsWith", "endsWith", "contains":
		return !isNoLiteral(args[len(args)-1])
	}
	return false
}

// isCostError reports whether an evaluation was stopped at its limit.
func isCostError(err error) bool {
	var cancelled interpreter.EvalCancelledError
	return errors.As(err, &cancelled) && cancelled.Cause == interpreter.CostLimitExceeded
}
