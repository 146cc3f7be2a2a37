// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"errors"
	"testing"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/interpreter"
)

// valueLanguage is a language over one variable of any type.
func valueLanguage(t *testing.T, limit uint64) *Language {
	t.Helper()
	l, err := NewLanguage(cel.Variable("value", cel.DynType), limit, func(_ string, issue *common.Error) *Error {
		return &Error{Message: "explained: " + issue.Message}
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// value is the variable of such a language.
func value(t *testing.T, v any) interpreter.Activation {
	t.Helper()
	a, err := interpreter.NewActivation(map[string]any{"value": v})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestCondition_RunsAsInTheWholeEnvironment holds programs, which know only the functions that they call, against
// the environment that they were compiled in.
func TestCondition_RunsAsInTheWholeEnvironment(t *testing.T) {
	t.Parallel()
	l := valueLanguage(t, FilterCostLimit)
	v := value(t, map[string]any{"n": int64(3), "s": "a,b", "l": []any{int64(1), 2.5, "x"}})
	for _, expression := range []string{
		`value.n + 1 == 4 && value.n * 2 - 1 == 5 && value.n / 2 == 1 && value.n % 2 == 1 && -value.n < 0`,
		`value.n < 3.5 && value.n >= 3 && value.n != 4u && value.n <= 3 && !(value.n > 3)`,
		`value.s.split(",").map(p, p.upperAscii()).join("-") == "A-B" && value.s.size() == 3 && value.s.matches("^a")`,
		`value.s.replace(",", "").indexOf("b") == 1 && value.s.contains(",") && value.s.startsWith("a") && value.s.endsWith("b")`,
		`value.l.exists(x, x == 2.5) && value.l.all(x, type(x) != bool) && value.l.exists_one(x, x == "x") && "x" in value.l`,
		`value.l.filter(x, type(x) == int).size() == 1 && value.l[0] == 1 && has(value.n) && !has(value.none)`,
		`value.?none.orValue(7) == 7 && value.?n.hasValue() && value.?none.or(value.?n).value() == 3`,
		`value.?n.optMap(x, x + 1).orValue(0) == 4 && [?value.?none] == [] && value[?"n"].orValue(0) == 3`,
		`math.greatest(1, value.n) == 3 && base64.encode(b"hello") == "aGVsbG8=" && string(value.n) == "3" && int("3") == value.n`,
		`timestamp("2026-11-01T01:00:00+02:00").getHours() == 23 && timestamp("2026-11-01T00:00:00Z") + duration("1h") > timestamp("2026-11-01T00:30:00Z")`,
		`value.n == 3 ? true : false`,
	} {
		c, _, err := l.Condition(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		holds, err := c.Holds(v)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
		}
		checked, _ := l.Env().Compile(expression)
		whole, err := l.Env().Program(checked)
		if err != nil {
			t.Fatal(err)
		}
		if want, _, err := whole.Eval(v); err != nil || want != types.Bool(holds) || !holds {
			t.Errorf("%s: holds = %t, in the whole environment %v, %v; want true", expression, holds, want, err)
		}
	}
}

func TestCondition_Fails(t *testing.T) {
	t.Parallel()
	l := valueLanguage(t, 100)
	for expression, want := range map[string]error{
		`value.none == 1`:                        ErrMissing,
		`value.n`:                                ErrNotBool,
		`value.n / 0 == 1`:                       ErrEvaluation,
		`value.l.all(x, value.l.all(y, y == 1))`: ErrCostExceeded,
	} {
		c, _, err := l.Condition(expression)
		if err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		ones := []any{int64(1), int64(1), int64(1), int64(1), int64(1), int64(1), int64(1), int64(1)}
		if holds, err := c.Holds(value(t, map[string]any{"n": int64(3), "l": ones})); holds || !errors.Is(err, want) {
			t.Errorf("%s: %t, %v; want %v", expression, holds, err, want)
		}
	}
	for expression, want := range map[string]string{
		`valu == 1`: "explained: undeclared reference to 'valu' (in container '')",
		`1`:         "line 1, column 1: an expression must be true or false, this is of type int; compare it with something",
		``:          "must not be blank; leave it out where there is none",
	} {
		if _, _, err := l.Condition(expression); refusal(t, err).Error() != want {
			t.Errorf("%q: error = %q, want %q", expression, err, want)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"replicas", "paused", "selector", "template", "a", "minReadySeconds"}
	for name, want := range map[string]string{
		"replica": "replicas", "Replicas": "replicas", "pause": "paused", "minreadysecond": "minReadySeconds", "selektor": "selector",
		"x": "", "zzzzzzzz": "", "": "", "ab": "a",
	} {
		if got := Nearest(name, names); got != want {
			t.Errorf("nearest to %q = %q, want %q", name, got, want)
		}
	}
	if got := Nearest("cot", []string{"cut", "cat"}); got != "cat" {
		t.Errorf("nearest = %q, want the first in the alphabet", got)
	}
}
