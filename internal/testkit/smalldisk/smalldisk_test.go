// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package smalldisk

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestRun_HasAFileSystemThatCanBeFull(t *testing.T) {
	Run(t, 1<<20, checkFull)
}

func TestRun_TakesNamespacesWithoutTheRights(t *testing.T) {
	if !inNamespaces() {
		runInNamespaces(t)
		return
	}
	Run(t, 1<<20, checkFull)
}

// checkFull fails the test unless the file system can be filled and emptied.
func checkFull(t *testing.T, d Disk) {
	t.Helper()
	file := filepath.Join(d.Dir, "file")
	for range 2 {
		d.Fill(t)
		if err := os.WriteFile(file, []byte("x"), 0o600); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("wrote to a full file system: %v", err)
		}
		d.Empty(t)
		if err := os.WriteFile(file, make([]byte, 512<<10), 0o600); err != nil {
			t.Error(err)
		}
		if err := os.Remove(file); err != nil {
			t.Error(err)
		}
	}
}
