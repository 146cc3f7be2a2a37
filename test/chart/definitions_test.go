// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"os"
	"path/filepath"
	"testing"
)

// TestChart_UpgradesEveryDefinitionAndKeepsIt finds the definitions among what helm template prints. That leaves out a
// chart's directory crds, which helm upgrade does not look at: what is there is a template, and is upgraded as such.
func TestChart_UpgradesEveryDefinitionAndKeepsIt(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "config", "crd", "bases", "*.yaml"))
	if err != nil || len(files) < 4 {
		t.Fatalf("found the definitions %v: %v", files, err)
	}
	all := render(t)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for key := range parse(t, string(content)) {
			switch got := all[key]; {
			case got == nil:
				t.Errorf("%s is no template of the chart", key)
			case got.GetAnnotations()["helm.sh/resource-policy"] != "keep":
				t.Errorf("the policy of %s is %q", key, got.GetAnnotations()["helm.sh/resource-policy"])
			}
		}
	}
}
