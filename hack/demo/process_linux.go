// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"syscall"
)

// dieWithParent lets the kernel kill a child when the thread that started it ends, and so when the demo ends,
// even when it is killed. The process group of its own keeps a Ctrl-C in the terminal from the child, which
// the demo ends in its turn.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// followParent ends the demo when the make that started it ends, even when that is killed.
func followParent() error {
	parent := os.Getppid()
	_, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGTERM), 0)
	if errno != 0 {
		return fmt.Errorf("ask for the parent's end: %w", errno)
	}
	if os.Getppid() != parent {
		return errInterrupted // it ended between the two calls
	}
	return nil
}
