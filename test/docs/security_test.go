// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package docs_test holds the documentation against what it speaks of.
package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Evidence is a package in backquotes and behind it tests: functions in backquotes, or specs in double quotes.
var (
	packageName = regexp.MustCompile("`((?:internal|cmd|test)/[a-z0-9/]+)`")
	testName    = regexp.MustCompile("`(Test[A-Za-z0-9_]+)`|\"([^\"]+)\"")
)

func TestSecurity_NamesTestsThatExist(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, paragraph := range paragraphs(string(page)) {
		packages := packageName.FindAllStringSubmatchIndex(paragraph, -1)
		for i, at := range packages {
			end := len(paragraph)
			if i+1 < len(packages) {
				end = packages[i+1][0]
			}
			directory := paragraph[at[2]:at[3]]
			source := testsOf(t, directory)
			for _, match := range testName.FindAllStringSubmatch(paragraph[at[1]:end], -1) {
				named++
				want := "func " + match[1] + "("
				if match[2] != "" {
					want = `It("` + match[2] + `"`
				}
				if !strings.Contains(source, want) {
					t.Errorf("%s has no test %s", directory, want)
				}
			}
		}
	}
	if named < 50 {
		t.Errorf("found %d tests on the page, fewer than it names: is this still how it names them?", named)
	}
}

// paragraphs returns rows of tables, and paragraphs of text as one line each.
func paragraphs(page string) []string {
	var all []string
	for block := range strings.SplitSeq(page, "\n\n") {
		if strings.HasPrefix(block, "|") {
			all = append(all, strings.Split(block, "\n")...)
			continue
		}
		all = append(all, strings.ReplaceAll(block, "\n", " "))
	}
	return all
}

// testsOf returns the test files of a directory.
func testsOf(t *testing.T, directory string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(directory), "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no tests: %v", directory, err)
	}
	var all strings.Builder
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(content)
	}
	return all.String()
}
