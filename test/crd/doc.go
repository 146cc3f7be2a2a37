// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package crd tests the CustomResourceDefinitions against a real API server: every rule of their
// schemas with what it refuses and says, the defaults, and how the objects behave under apply, field
// selectors and kubectl. It holds tests only.
package crd
