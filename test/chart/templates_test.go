// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

var (
	// action is what stands between two pairs of braces, comments included.
	action = regexp.MustCompile(`(?s)\{\{-?(.*?)-?\}\}`)
	// quoted is text inside an action, or a comment.
	quoted = regexp.MustCompile("(?s)\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`|/\\*.*?\\*/")
	// restless are functions and values that are not the same twice, or that look into the cluster or around: GitOps
	// would see a difference that nobody made.
	restless = regexp.MustCompile(`\b(lookup|rand\w*|shuffle|uuidv4|now|ago|date\w*|htmlDate\w*|gen[A-Z]\w*|derivePassword|` +
		`bcrypt|htpasswd|encryptAES|getHostByName|env|expandenv)\b|\.(Capabilities|IsInstall|IsUpgrade|Revision)\b`)
)

// restlessIn returns what of a template is not the same twice.
func restlessIn(template string) []string {
	var found []string
	for _, match := range action.FindAllStringSubmatch(template, -1) {
		found = append(found, restless.FindAllString(quoted.ReplaceAllString(match[1], `""`), -1)...)
	}
	return found
}

// TestChart_TemplatesUseNothingRandom sees what rendering twice does not: what comes from the cluster, or of the time.
func TestChart_TemplatesUseNothingRandom(t *testing.T) {
	t.Parallel()
	for template, want := range map[string][]string{
		`a: {{ lookup "v1" "Secret" "x" "y" }}`:                                 {"lookup"},
		"a: {{- if\n.Release.IsInstall }}{{ randAlphaNum 8 | quote }}{{ end }}": {".IsInstall", "randAlphaNum"},
		`{{ $ca := genCA "x" 365 }}{{ now | date "2006" }}`:                     {"genCA", "now", "date"},
		`{{ .Capabilities.KubeVersion }} {{ uuidv4 }}`:                          {".Capabilities", "uuidv4"},
		`lookup now {{/* lookup now */}} {{ printf "now \"lookup" }}`:           nil,
		`{{ .Values.environment }} {{ .Values.update }} {{ .Values.known }}`:    nil,
	} {
		if got := restlessIn(template); !slices.Equal(got, want) {
			t.Errorf("%s: found %q, want %q", template, got, want)
		}
	}
	files, err := filepath.Glob(filepath.Join("..", "..", "charts", "posthorn", "templates", "*"))
	if err != nil || len(files) < 10 {
		t.Fatalf("found the templates %v: %v", files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := restlessIn(string(content)); len(found) > 0 {
			t.Errorf("%s uses %q", filepath.Base(file), found)
		}
	}
}
