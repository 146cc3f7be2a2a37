// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package smalldisk gives tests a small file system that can be filled to its last byte: a tmpfs of its own, on
// Linux. Mounting takes root; without it the test runs once more in a user and mount namespace, in which it is root.
package smalldisk
