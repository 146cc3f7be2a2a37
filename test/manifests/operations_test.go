// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package manifests_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posthorn-dev/posthorn/test/e2e/guide"
)

// TestOperations_TheRestorePodIsAdmitted has the API server judge what docs/operations.md applies to restore a backup,
// in a namespace of restricted pod security, as a dry run.
func TestOperations_TheRestorePodIsAdmitted(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := guide.Parse(string(page))
	if err != nil {
		t.Fatal(err)
	}
	var manifests string
	for _, block := range blocks {
		if _, rest, ok := strings.Cut(block.Script, "<<EOF\n"); ok && block.Section == "Restore" {
			manifests, _, _ = strings.Cut(rest, "\nEOF\n")
		}
	}
	for _, kind := range []string{"kind: PersistentVolumeClaim\n", "kind: Pod\n"} {
		if !strings.Contains(manifests, kind) {
			t.Errorf("the page applies no %s", kind)
		}
	}
	apply := exec.CommandContext(t.Context(), plane.Kubectl(), "--kubeconfig="+plane.Kubeconfig(), "apply",
		"--namespace=posthorn-system", "--dry-run=server", "--validate=strict", "--filename=-")
	apply.Stdin = strings.NewReader(strings.ReplaceAll(manifests, "$IMAGE", "posthorn-dispatcher:test"))
	out, err := apply.CombinedOutput()
	if err != nil || strings.Contains(string(out), "Warning") {
		t.Errorf("apply: %v\n%s", err, out)
	}
}
