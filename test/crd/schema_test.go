// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package crd

import (
	"maps"
	"os"
	"path/filepath"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// maxCRDBytes is how large a CustomResourceDefinition may be: client-side apply keeps a copy in an
// annotation, and annotations end at 256 KiB in all.
const maxCRDBytes = 200_000

// kinds are those of the group.
var kinds = []string{"WebhookEndpoint", "WebhookSubscription", "WebhookEventSource", "WebhookEventType"}

// definition reads the CustomResourceDefinition of the kind, as it is in the repository.
func definition(kind string) *apiextensionsv1.CustomResourceDefinition {
	GinkgoHelper()
	files, err := filepath.Glob(filepath.Join(crdDir, "*.yaml"))
	Expect(err).NotTo(HaveOccurred())
	for _, file := range files {
		content, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		Expect(len(content)).To(BeNumerically("<", maxCRDBytes), file)
		crd := new(apiextensionsv1.CustomResourceDefinition)
		Expect(yaml.UnmarshalStrict(content, crd)).To(Succeed())
		if crd.Spec.Names.Kind == kind {
			return crd
		}
	}
	Fail("no CustomResourceDefinition of " + kind)
	return nil
}

// schemaOf returns the schema of the kind's one version.
func schemaOf(kind string) apiextensionsv1.JSONSchemaProps {
	GinkgoHelper()
	crd := definition(kind)
	Expect(crd.Spec.Versions).To(HaveLen(1))
	return *crd.Spec.Versions[0].Schema.OpenAPIV3Schema
}

// walk visits a schema and all below it, in order of their paths. Items of a list are at path[0], which
// is where a list of one item has them.
func walk(path string, schema apiextensionsv1.JSONSchemaProps, visit func(string, apiextensionsv1.JSONSchemaProps)) {
	visit(path, schema)
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		walk(join(path, name), schema.Properties[name], visit)
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		walk(path+"[0]", *schema.Items.Schema, visit)
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
