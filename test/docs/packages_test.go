// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const (
	root   = "../.."
	module = "github.com/posthorn-dev/posthorn/"
)

// TestPackages_AreInBothTables holds the tables of ARCHITECTURE.md and CONTRIBUTING.md against the packages that
// there are.
func TestPackages_AreInBothTables(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"ARCHITECTURE.md", "CONTRIBUTING.md"} {
		text := read(t, page)
		for _, dir := range packagesBelow(t, "internal") {
			name := strings.Join(strings.Split(dir, "/")[:2], "/")
			if !regexp.MustCompile("(?m)^\\|.*`" + regexp.QuoteMeta(name) + "`.* \\|$").Match(text) {
				t.Errorf("%s: no table has %s", page, name)
			}
		}
	}
}

// TestLinter_RefusesWhatTheTableDoesNotAllow holds the rules of depguard against the table of CONTRIBUTING.md, arrow
// by arrow, in both directions. That nothing is imported against the rules is for the linter to see.
func TestLinter_RefusesWhatTheTableDoesNotAllow(t *testing.T) {
	t.Parallel()
	rules := depguardRules(t)
	rows := tableOfPackages(t)
	for _, from := range rows {
		if from.layer == "generated" || from.layer == "tests" { // the linter leaves the one alone, the other imports anything
			continue
		}
		for _, importer := range from.packages {
			about := slices.DeleteFunc(slices.Clone(rules), func(r rule) bool { return !r.isAbout(importer) })
			for _, to := range rows {
				if from.name == to.name || to.layer == "main" {
					continue
				}
				for _, imported := range to.packages {
					refused := slices.ContainsFunc(about, func(r rule) bool { return !r.allows(module + imported) })
					if refused == from.mayImport(to) {
						t.Errorf("%s imports %s: the table allows it: %t, the linter refuses it: %t",
							importer, imported, from.mayImport(to), refused)
					}
				}
			}
		}
	}
}

// row is a line of the table.
type row struct {
	name, layer, imports string
	packages             []string
}

// mayImport is what the last column says of another package.
func (r row) mayImport(other row) bool {
	if but, ok := strings.CutPrefix(r.imports, "anything"); ok {
		return !strings.Contains(but, "`"+path.Base(other.name)+"`")
	}
	allowed := strings.Split(r.imports, ", ")
	return slices.Contains(allowed, other.layer) || slices.Contains(allowed, "`"+other.layer+"`") ||
		slices.Contains(allowed, "`"+path.Base(other.name)+"`")
}

func tableOfPackages(t *testing.T) []row {
	t.Helper()
	var rows []row
	for _, line := range regexp.MustCompile("(?m)^\\| (`.+?) \\| (.+?) \\| .+? \\| (.+) \\|$").FindAllSubmatch(read(t, "CONTRIBUTING.md"), -1) {
		for name := range strings.SplitSeq(string(line[1]), ", ") {
			name = strings.Trim(name, "`")
			rows = append(rows, row{name, string(line[2]), string(line[3]), packagesBelow(t, name)})
		}
	}
	if len(rows) < 10 {
		t.Fatalf("the table of packages has %d rows", len(rows))
	}
	return rows
}

// rule is a list of depguard.
type rule struct {
	Mode  string   `json:"list-mode"`
	Files []string `json:"files"`
	Allow []string `json:"allow"`
	Deny  []struct {
		Pkg string `json:"pkg"`
	} `json:"deny"`
}

func depguardRules(t *testing.T) []rule {
	t.Helper()
	var config struct {
		Linters struct {
			Settings struct {
				Depguard struct {
					Rules map[string]rule `json:"rules"`
				} `json:"depguard"`
			} `json:"settings"`
		} `json:"linters"`
	}
	if err := yaml.Unmarshal(read(t, ".golangci.yml"), &config); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, r := range config.Linters.Settings.Depguard.Rules {
		all = append(all, r)
	}
	return all
}

// isAbout reports whether the rule is one for the files of a package that are no tests.
func (r rule) isAbout(name string) bool {
	file := "${config-path}/" + name + "/file.go"
	if slices.ContainsFunc(r.Files, func(pattern string) bool { return pattern[0] == '!' && matches(pattern[1:], file) }) {
		return false
	}
	return slices.ContainsFunc(r.Files, func(pattern string) bool { return matches(pattern, file) }) ||
		!slices.ContainsFunc(r.Files, func(pattern string) bool { return pattern[0] != '!' })
}

// matches is the glob of depguard, of which * is a part between two slashes.
func matches(pattern, file string) bool {
	if pattern == "$all" {
		return true
	}
	pattern = strings.ReplaceAll(pattern, "**/", "\x00")
	pattern = strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `[^/]*`)
	return regexp.MustCompile("^" + strings.ReplaceAll(pattern, "\x00", `.*/`) + "$").MatchString(file)
}

// allows says what depguard does of an import: of what is allowed and what is denied, the longer name wins.
func (r rule) allows(imported string) bool {
	var denied []string
	for _, d := range r.Deny {
		denied = append(denied, d.Pkg)
	}
	deny := closest(denied, imported)
	allow := closest(r.Allow, imported)
	if r.Mode == "strict" {
		return allow > deny
	}
	return deny == 0 || allow > deny
}

// closest is the length of the entry that names a package or, without a $ at its end, a part of its name from the
// start; 0 when there is none. As depguard does it, it looks at the last entry in order that could.
func closest(entries []string, imported string) int {
	entries = slices.Sorted(slices.Values(entries))
	i := sort.Search(len(entries), func(i int) bool { return strings.TrimRight(entries[i], "$") > imported }) - 1
	if i < 0 {
		return 0
	}
	name, exact := strings.CutSuffix(entries[i], "$")
	if imported != name && (exact || !strings.HasPrefix(imported, name)) {
		return 0
	}
	return len(entries[i])
}

// packagesBelow lists the directories with Go files that are no tests.
func packagesBelow(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(filepath.Join(root, dir), func(file string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		relative, err := filepath.Rel(root, filepath.Dir(file))
		if name := filepath.ToSlash(relative); !slices.Contains(found, name) {
			found = append(found, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
