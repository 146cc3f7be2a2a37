// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import "syscall"

// processAttributes have the kernel end a process when this program ends, even when it is killed itself.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
