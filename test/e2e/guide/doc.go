// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package guide reads the commands out of a page of the documentation and runs them, so that a test can follow the
// page as its reader does. What the commands should bring about is left to the test.
package guide
