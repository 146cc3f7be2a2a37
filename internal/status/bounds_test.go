// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"strings"
	"testing"
)

func TestBounded_CutsCharactersAndShowsTheCut(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"nothing":                           {"", ""},
		"as many as fit":                    {"abcd", "abcd"},
		"one more":                          {"abcde", "abc…"},
		"as many as fit, of several bytes":  {"äöü€", "äöü€"},
		"one more, of several bytes":        {"äöü€𝄞", "äöü…"},
		"many":                              {strings.Repeat("€", 1_000), "€€€…"},
		"what is no text, one more than it": {"\xff\xff\xff\xff\xff", "\xff\xff\xff…"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := bounded(tc.text, 4); got != tc.want {
				t.Errorf("%q becomes %q, want %q", tc.text, got, tc.want)
			}
		})
	}
}

func TestFailure_IsBoundedAsAStatusShowsIt(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 16<<10)
	f := Failure{EventID: long, EventType: long, Reason: long, Message: long, Attempt: 3}
	is, of := recentFailures([]Failure{f.Bounded()}), recentFailures([]Failure{f})
	if is[0] != of[0] {
		t.Errorf("a bounded failure shows as %+v, want %+v", is[0], of[0])
	}
	if b := f.Bounded(); len(b.EventID)+len(b.EventType)+len(b.Reason)+len(b.Message) > 1_000 || b.Attempt != 3 {
		t.Errorf("bounded to %+v", b)
	}
}
