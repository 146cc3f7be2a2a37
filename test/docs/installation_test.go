// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// TestInstallation_RemovesWhatTheOperatorMade holds the command of the page against the label that the operator gives
// to what it makes.
func TestInstallation_RemovesWhatTheOperatorMade(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "installation.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := "kubectl delete secrets,configmaps -n posthorn-system --selector=" + hookv1.LabelManagedBy + "=" + hookv1.ManagedBy + "\n"
	if !strings.Contains(string(page), want) {
		t.Errorf("docs/installation.md lacks the command %s", want)
	}
}
