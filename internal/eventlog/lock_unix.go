// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package eventlog

import (
	"errors"
	"os"
	"syscall"
)

// tryLock locks a file unless another process has; the system takes the lock back when the process ends.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
