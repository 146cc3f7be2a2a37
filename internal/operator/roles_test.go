// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"bytes"
	"os"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// readRoles reads the generated ClusterRole and Role.
func readRoles(t *testing.T) []client.Object {
	t.Helper()
	raw, err := os.ReadFile("../../config/rbac/role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	objects := []client.Object{&rbacv1.ClusterRole{}, &rbacv1.Role{}}
	documents := bytes.Split(bytes.TrimPrefix(raw, []byte("---\n")), []byte("\n---\n"))
	if len(documents) != len(objects) {
		t.Fatalf("got %d documents, want %d", len(documents), len(objects))
	}
	for i, document := range documents {
		if err := yaml.UnmarshalStrict(document, objects[i]); err != nil {
			t.Fatal(err)
		}
	}
	return objects
}
