// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package smalldisk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Disk is a small file system that others than the code under test can fill.
type Disk struct {
	// Dir is where it is mounted.
	Dir string
}

// Run calls a test with an empty file system of the size in bytes, which goes when the test ends. Where mounting is not
// allowed, it runs the test that called it in namespaces where it is. Where those are not allowed either, nothing is run,
// and the log of the test says so. It must be all that a test function does, since it may end in another process.
func Run(t *testing.T, size int, test func(*testing.T, Disk)) {
	t.Helper()
	dir := t.TempDir()
	switch err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); {
	case err == nil:
		t.Cleanup(func() {
			if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
				t.Errorf("unmount file system: %v", err)
			}
		})
		test(t, Disk{dir})
	case !errors.Is(err, os.ErrPermission): // EPERM and EACCES
		t.Fatalf("mount file system: %v", err)
	case inNamespaces():
		t.Logf("NOTHING WAS RUN: no file system can be mounted, not even in a user namespace: %v", err)
	default:
		runInNamespaces(t)
	}
}

// ballast is the file that fills a file system.
const ballast = "ballast"

// Fill leaves nothing free. What others give back meanwhile or later is free again.
func (d Disk) Fill(t *testing.T) {
	t.Helper()
	f, err := os.Create(filepath.Join(d.Dir, ballast))
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// Empty gives back what Fill took.
func (d Disk) Empty(t *testing.T) {
	t.Helper()
	if err := os.Remove(filepath.Join(d.Dir, ballast)); err != nil {
		t.Error(err)
	}
}
