// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import "testing"

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
