// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import "syscall"

// dieWithParent has no means but the terminal here: a child stays in the demo's process group, so that a
// Ctrl-C reaches both. A demo that is killed leaves its children behind.
func dieWithParent() *syscall.SysProcAttr { return nil }

// followParent has no means here.
func followParent() error { return nil }
