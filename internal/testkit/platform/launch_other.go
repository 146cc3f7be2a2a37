// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package platform

import "syscall"

// processAttributes leave a process in this program's group, so that a Ctrl-C reaches both.
func processAttributes() *syscall.SysProcAttr { return nil }
