// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"testing"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
)

// TestIsCheap holds on to which filters run uncounted: those that no event can make dear.
func TestIsCheap(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		`event.data.total > 100 && event.subject.startsWith("orders/")`: true,
		`event.type in ["a", "b"] || !has(event.data.x)`:                true,
		`event.data["a"][0] == "b" ? true : false`:                      true,
		`event.data.s.contains("x") && event.data.s.endsWith("y")`:      true,
		`event.data == event.data`:                                      false,
		`event.data.s.contains(event.data.t)`:                           false,
		`"a" in event.data.tags`:                                        false,
		`event.type in [event.data.a]`:                                  false,
		`event.data.l.exists(x, x == 1)`:                                false,
		`event.data.s.matches("a")`:                                     false,
		`event.data.s + event.data.s == "a"`:                            false,
		`{"a": 1} == event.data`:                                        false,
	}
	env, err := NewEnv()
	if err != nil {
		t.Fatal(err)
	}
	for expression, want := range tests {
		t.Run(expression, func(t *testing.T) {
			t.Parallel()
			checked, issues := env.Compile(expression)
			if issues.Err() != nil {
				t.Fatal(issues.Err())
			}
			if got := isCheap(checked); got != want {
				t.Errorf("cheap = %t, want %t", got, want)
			}
		})
	}
}

// TestCheapFilter_RunsAsInTheWholeEnvironment holds the environment of cheap filters against what isCheap lets into it.
func TestCheapFilter_RunsAsInTheWholeEnvironment(t *testing.T) {
	t.Parallel()
	whole, err := NewEnv()
	if err != nil {
		t.Fatal(err)
	}
	in := NewInput(order())
	called := map[string]bool{}
	for _, expression := range []string{
		`event.data.total > 129 && event.data.count < 4.5 || event.id == "x"`,
		`event.data.total >= 129.5 && event.data.count <= 3u && event.data.count != 4`,
		`!(event.type in ["a", "com.example.order.created"]) ? event.data.paid : event.data.note == null`,
		`event.data.lines[1].sku == "b" && event.data["customer"].tags[0] == "vip"`,
		`event.source.startsWith("https://") && event.subject.endsWith("17") && event.data.id.contains("-")`,
		`has(event.data.customer) && !has(event.data.absent) && event.posthornorigin == "system:serviceaccount:team-a:shop"`,
		`event.attempt > 2 && event.dryrun && event.region == "eu" && event.data.huge > 1.0`,
	} {
		checked, issues := whole.Compile(expression)
		if issues.Err() != nil || !isCheap(checked) {
			t.Fatalf("%s: %v, cheap %t", expression, issues.Err(), isCheap(checked))
		}
		for _, e := range ast.MatchDescendants(ast.NavigateAST(checked.NativeRep()), ast.KindMatcher(ast.CallKind)) {
			called[e.AsCall().FunctionName()] = true
		}
		full, err := whole.Program(checked)
		if err != nil {
			t.Fatal(err)
		}
		want, _, err := full.Eval((*activation)(&in.filtered))
		if err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		if got := mustMatch(t, expression, order()); got != (want == types.True) {
			t.Errorf("%s: %t, want %v as in the whole environment", expression, got, want)
		}
	}
	for name := range cheapFunctions {
		if !called[name] {
			t.Errorf("no filter above calls %s", name)
		}
	}
}
