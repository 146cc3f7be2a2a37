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

// GCPercent values by which the heap may grow over what is alive before it is collected (GOGC).
const (
	// GCPercentFast is for a dispatcher: it keeps little alive, some 30 MB, and makes 10 KB of garbage for each
	// delivery. At Go's own 100 percent it would collect some 10 times a second, which is a twentieth of its CPU.
	GCPercentFast = 200
	// GCPercentSmall is for an operator, whose work is in bursts, and which is small between them only when little
	// garbage lay about in a burst.
	GCPercentSmall = 50
)

// TuneMemory has garbage collected at a percentage, and more often where nine tenths of the memory that the
// container may have are in use. The variables GOGC and GOMEMLIMIT say otherwise.
func TuneMemory(gcPercent int) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	_, err := memlimit.Set()
	if err != nil && !errors.Is(err, memlimit.ErrNoCgroup) && !errors.Is(err, memlimit.ErrCgroupsNotSupported) {
		return fmt.Errorf("read the container's memory limit: %w", err)
	}
	return nil
}
