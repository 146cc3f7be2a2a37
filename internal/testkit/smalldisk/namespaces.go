// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package smalldisk

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// marker is the variable of the environment that is set in the namespaces.
const marker = "POSTHORN_TEST_NAMESPACES"

// inNamespaces reports whether this process is one that runInNamespaces started.
func inNamespaces() bool { return os.Getenv(marker) != "" }

// runInNamespaces runs the calling test in a process that is root of its own user and mount namespace, and takes over
// how it ended.
func runInNamespaces(t *testing.T) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-test.run=^" + regexp.QuoteMeta(t.Name()) + "$", "-test.count=1", "-test.v"}
	if deadline, ok := t.Deadline(); ok {
		args = append(args, "-test.timeout="+time.Until(deadline).String())
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), marker+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	runtime.LockOSThread() // the signal comes when the thread ends that started the process
	defer runtime.UnlockOSThread()
	out, err := cmd.CombinedOutput()
	_, ran := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		t.Logf("in a user and mount namespace:\n%s", out)
	case ran:
		t.Errorf("in a user and mount namespace: %v\n%s", err, out)
	default:
		t.Logf("NOTHING WAS RUN: there are no rights to mount a file system, and no user namespaces: %v", err)
	}
}
