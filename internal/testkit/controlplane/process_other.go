// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package controlplane

import "syscall"

// dieWithParent has no means but the terminal here: a component stays in this program's process group, so
// that a Ctrl-C reaches both. A program that is killed alone leaves its control plane behind.
func dieWithParent() *syscall.SysProcAttr { return nil }
