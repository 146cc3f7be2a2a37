// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// constants returns the values of the string constants of the API package whose names begin with a
// prefix.
func constants(prefix string) []string {
	GinkgoHelper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../api/v1alpha1/conditions.go", nil, 0)
	Expect(err).NotTo(HaveOccurred())
	var out []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, prefix) {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		Expect(err).NotTo(HaveOccurred())
		out = append(out, value)
		return true
	})
	Expect(out).NotTo(BeEmpty())
	return out
}

// documentedReasons returns the reasons that the comment of each condition lists, by condition.
func documentedReasons() map[string][]string {
	GinkgoHelper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../api/v1alpha1/conditions.go", nil, parser.ParseComments)
	Expect(err).NotTo(HaveOccurred())
	out := map[string][]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Condition") {
			return true
		}
		_, list, ok := strings.Cut(spec.Doc.Text(), "Reasons when")
		Expect(ok).To(BeTrue(), "%s lists no reasons", spec.Names[0].Name)
		name, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		Expect(err).NotTo(HaveOccurred())
		out[name] = reasonsIn(list)
		return true
	})
	return out
}

// reasonsIn lists the reasons of the API among the words of a text, sorted, each once.
func reasonsIn(text string) []string {
	GinkgoHelper()
	known := constants("Reason")
	var out []string
	for _, word := range regexp.MustCompile(`\w+`).FindAllString(text, -1) {
		if slices.Contains(known, word) {
			out = append(out, word)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

var _ = Describe("The reference", func() {
	It("lists under each condition the reasons that its constant documents", func() {
		raw, err := os.ReadFile("../../docs/reference/conditions.md")
		Expect(err).NotTo(HaveOccurred())
		sections := map[string]string{}
		for section := range strings.SplitSeq(string(raw), "\n### ") {
			name, text, _ := strings.Cut(section, "\n")
			sections[name], _, _ = strings.Cut(text, "\n## ")
		}
		for name, want := range documentedReasons() {
			if name == hookv1.ConditionReconciling || name == hookv1.ConditionStalled {
				continue // they have those of Ready
			}
			Expect(reasonsIn(rows(sections[name]))).To(Equal(want), name)
		}
	})
})

// rows returns the second cells of the tables of a page.
func rows(page string) string {
	var out []string
	for line := range strings.Lines(page) {
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			out = append(out, cells[2])
		}
	}
	return strings.Join(out, " ")
}

var _ = DescribeTable("The reference names every constant of the API",
	func(page, prefix, format string) {
		raw, err := os.ReadFile("../../docs/reference/" + page)
		Expect(err).NotTo(HaveOccurred())
		for _, value := range constants(prefix) {
			Expect(string(raw)).To(ContainSubstring(strings.ReplaceAll(format, "%", value)))
		}
	},
	Entry("reasons", "conditions.md", "Reason", "| `%` |"),
	Entry("Kubernetes Events", "kubernetes-events.md", "Event", "| `%` |"),
	Entry("conditions", "conditions.md", "Condition", "%"),
)
