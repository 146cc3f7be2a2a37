// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package telemetry

import "runtime/debug"

// version is set by the release build with
// -ldflags "-X github.com/posthorn-dev/posthorn/internal/telemetry.version=v1.2.3".
var version string

// Version returns the version of the running program: the one of the release build, else the one
// that the Go toolchain recorded, else "devel".
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}
