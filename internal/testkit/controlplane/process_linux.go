// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import "syscall"

// dieWithParent lets the kernel kill a component when this program ends, even when it is killed itself. The
// process group of its own keeps a Ctrl-C in the terminal from ending the component before its users.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
