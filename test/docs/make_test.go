// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestMakeHelp_ListsEveryTarget holds what make help prints against the targets that the Makefile declares.
func TestMakeHelp_ListsEveryTarget(t *testing.T) {
	t.Parallel()
	makefile, listed := read(t, "Makefile"), helpOf(t)
	declared := regexp.MustCompile(`(?m)^\.PHONY: (.+)$`).FindAllSubmatch(makefile, -1)
	if len(declared) == 0 {
		t.Fatal("the Makefile declares no target")
	}
	for _, names := range declared {
		for name := range strings.FieldsSeq(string(names[1])) {
			rule := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + `:.*?## (.+)$`).FindSubmatch(makefile)
			switch {
			case rule == nil:
				t.Errorf("target %s has no ## that says what it does", name)
			case listed[name] != string(rule[1]):
				t.Errorf("make help says of %s %q, want %q", name, listed[name], rule[1])
			}
		}
	}
}

// helpOf is what make help says of each target.
func helpOf(t *testing.T) map[string]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "make", "--no-print-directory", "help")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("make help: %v", err)
	}
	listed := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^  (\S+) +(.+)$`).FindAllStringSubmatch(string(out), -1) {
		listed[line[1]] = line[2]
	}
	return listed
}
