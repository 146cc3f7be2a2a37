// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package when

import (
	"os"
	"regexp"
	"testing"
)

// TestGuide_ExpressionsCompile compiles every expression of the guide against the kind that stands beside it.
func TestGuide_ExpressionsCompile(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/guides/when-expressions.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```cel (\\w+)\n(.*?)```").FindAllSubmatch(guide, -1)
	if len(found) < 7 {
		t.Errorf("the guide has %d expressions", len(found))
	}
	for _, example := range found {
		kind, expression := string(example[1]), string(example[2])
		s := schemas()[kind]
		if s == nil && kind != "none" {
			t.Errorf("no fixture has the kind %s", kind)
		}
		if _, err := Compile(expression, s); err != nil {
			t.Errorf("%s: %v", expression, err)
		}
	}
}
