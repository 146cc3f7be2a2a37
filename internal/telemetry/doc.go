// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package telemetry sets up what both binaries tell about themselves: the logger, and the version
// that they report.
//
// It decides on form and level only. What is logged, and with which keys, is each package's own
// business, and so are its metrics.
package telemetry
