// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package crd

import (
	"os"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

var _ = DescribeTable("The manifests of Posthorn's kinds in the guides are accepted",
	func(ctx SpecContext, name string, least int) {
		content, err := os.ReadFile("../../docs/guides/" + name)
		Expect(err).NotTo(HaveOccurred())
		found := 0
		for _, block := range yamlBlock.FindAllStringSubmatch(string(content), -1) {
			for document := range strings.SplitSeq(block[1], "\n---\n") {
				manifest := parse(document)
				if manifest["apiVersion"] != hookv1.GroupVersion.String() {
					continue
				}
				kind, _ := manifest["kind"].(string)
				found++
				Expect(k8s.Create(ctx, newObject(kind, "example", manifest["spec"].(map[string]any)), client.DryRunAll)).
					To(Succeed(), document)
			}
		}
		Expect(found).To(BeNumerically(">=", least))
	},
	Entry("from nothing to the first webhook", "kubernetes-resources.md", 3),
	Entry("beside those of other tools", "coming-from.md", 4),
)
