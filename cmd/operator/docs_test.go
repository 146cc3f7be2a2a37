// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// cell finds the code in a cell of a table.
var cell = regexp.MustCompile("`([^`]*)`")

// section returns what a page of the reference says under a heading.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", page))
	if err != nil {
		t.Fatal(err)
	}
	for part := range strings.SplitSeq(string(b), "\n## ") {
		if strings.HasPrefix(part, heading+"\n") {
			return part
		}
	}
	t.Fatalf("%s has no section %s", page, heading)
	return ""
}

func TestDocumentation_ListsEveryFlagWithItsDefault(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "")
	fs := flag.NewFlagSet("operator", flag.ContinueOnError)
	new(options).bindFlags(fs)
	// controller-runtime adds one of its own to every program.
	if f := flag.Lookup("kubeconfig"); f != nil {
		fs.Var(f.Value, f.Name, f.Usage)
	}
	// What the flag set does not know of a default: a variable, and the flag of a function.
	said := map[string]string{"namespace": "POD_NAMESPACE", "log-format": "json"}
	var want, got []string
	fs.VisitAll(func(f *flag.Flag) {
		if f.DefValue == "" {
			f.DefValue = said[f.Name]
		}
		want = append(want, f.Name+"="+f.DefValue)
	})
	rows := regexp.MustCompile("(?m)^\\| `--([a-z-]+)` \\| ([^|]*)\\|").FindAllStringSubmatch(section(t, "flags.md", "operator"), -1)
	for _, row := range rows {
		got = append(got, row[1]+"="+strings.Trim(strings.TrimSpace(row[2]), "`"))
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-code +page):\n%s", diff)
	}
}

func TestDocumentation_ListsEveryMetricWithItsLabels(t *testing.T) {
	t.Parallel()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "posthorn_") {
			continue
		}
		line := f.GetName() + " " + strings.ToLower(f.GetType().String())
		for _, label := range f.GetMetric()[0].GetLabel() {
			line += " " + label.GetName()
		}
		want = append(want, line)
	}
	rows := regexp.MustCompile("(?m)^\\| `(posthorn_[a-z_]+)` \\| ([a-z]+) \\| ([^|]*)\\|").FindAllStringSubmatch(section(t, "metrics.md", "operator"), -1)
	for _, row := range rows {
		line := row[1] + " " + row[2]
		for _, label := range cell.FindAllStringSubmatch(row[3], -1) {
			line += " " + label[1]
		}
		got = append(got, line)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-code +page):\n%s", diff)
	}
}
