// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
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
