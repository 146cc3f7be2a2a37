// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// InstallCRDs creates or updates the CustomResourceDefinitions of a directory and returns once the API
// server serves their resources.
func (c *ControlPlane) InstallCRDs(dir string) error {
	_, err := envtest.InstallCRDs(c.Config(), envtest.CRDInstallOptions{
		Paths:              []string{dir},
		ErrorIfPathMissing: true,
	})
	if err != nil {
		return fmt.Errorf("install CRDs of %s: %w", dir, err)
	}
	return nil
}
