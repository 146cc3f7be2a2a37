// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package system tests the whole of Posthorn: operator and dispatcher as real processes, each with the
// rights of its own ServiceAccount, on a real control plane.
package system
