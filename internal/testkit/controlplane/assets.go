// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// finder is the script that knows where the binaries are, relative to the root of the repository.
const finder = "hack/controlplane.sh"

// errNoRepository occurs where a program runs outside of the repository and without KUBEBUILDER_ASSETS.
var errNoRepository = errors.New("no directory above the working directory holds " + finder)

// findAssets returns the directory of the binaries. The script has the only list of the places to look at,
// and of the versions that are wanted.
func findAssets() (string, error) {
	script, err := findScript()
	if err != nil {
		return "", fmt.Errorf("find control plane: %w", err)
	}
	var refusal strings.Builder
	cmd := exec.Command(script, "find")
	cmd.Stderr = &refusal
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("find control plane: %s: %w", strings.TrimSpace(refusal.String()), err)
	}
	return strings.TrimSpace(string(out)), nil
}

func findScript() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		script := filepath.Join(dir, filepath.FromSlash(finder))
		if _, err := os.Stat(script); err == nil {
			return script, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errNoRepository
		}
		dir = parent
	}
}
