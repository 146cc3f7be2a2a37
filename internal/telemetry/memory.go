// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// gcPercent is by how many percent of what is alive the heap may grow before it is collected. A dispatcher keeps
// little alive, some 30 MB, and makes 10 KB of garbage for each delivery: at Go's own 100 percent it would collect
// 10 times a second, which is a twentieth of its CPU.
const gcPercent = 400

// TuneMemory trades memory for speed: garbage is collected less often, up to nine tenths of the memory that the
// container may have, from where on it is collected as often as it takes. The variables GOGC and GOMEMLIMIT say
// otherwise.
func TuneMemory() error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	_, err := memlimit.Set()
	if err != nil && !errors.Is(err, memlimit.ErrNoCgroup) && !errors.Is(err, memlimit.ErrCgroupsNotSupported) {
		return fmt.Errorf("read the container's memory limit: %w", err)
	}
	return nil
}
