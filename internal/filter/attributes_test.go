// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package filter

import "testing"

func TestMatcher_KnowsWhichAttributesItsExpressionReads(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]bool{
		``:                                   false,
		`event.type == "a.b"`:                false,
		`event.data.changed`:                 false,
		`"changed" == "chang"`:               false,
		`event.changed.contains("/spec")`:    true,
		`has(event.changed) && event.data.x`: true,
		`event.?changed.orValue("") != ""`:   true,
		`event.data.paths.exists(p, event.changed.contains(p))`:       true,
		`[event].exists(e, e.id == "1")`:                              true, // which may read anything
		`event.subject.startsWith("a") && event.data.list.size() > 1`: false,
	} {
		m, err := NewMatcher([]string{"*"}, []string{"/namespaces/a/*"}, expression)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Reads("changed", "/namespaces/a/x"); got != want {
			t.Errorf("%s reads it: %t, want %t", expression, got, want)
		}
		if m.Reads("changed", "/namespaces/b/x") {
			t.Errorf("%s reads what its sources do not send", expression)
		}
	}
}
