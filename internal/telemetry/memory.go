// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// The percentages by which the heap may grow over what is alive before it is collected (GOGC).
const (
	// gcPercentSmall is for work in bursts, such as the making of a thousand objects: a heap that grew far in a burst
	// stays full of holes.
	gcPercentSmall = 25
	// gcPercentFast is for a flow of deliveries. Each makes 10 KB of garbage, and with the 30 MB that are alive Go's own
	// 100 percent would collect some 10 times a second, which is a twentieth of the CPU.
	gcPercentFast = 200
	// gcWorkFast is how many pieces of work a second are a flow.
	gcWorkFast = 500
)

// TuneMemory has garbage collected early, so that a process stays small, and where nine tenths of the memory that the
// container may have are in use. The variables GOGC and GOMEMLIMIT say otherwise.
func TuneMemory() error {
	if gcPercentIsOurs() {
		debug.SetGCPercent(gcPercentSmall)
	}
	_, err := memlimit.Set()
	if err != nil && !errors.Is(err, memlimit.ErrNoCgroup) && !errors.Is(err, memlimit.ErrCgroupsNotSupported) {
		return fmt.Errorf("read the container's memory limit: %w", err)
	}
	return nil
}

// gcPercentIsOurs reports whether nobody else has said how often garbage is collected.
func gcPercentIsOurs() bool { return os.Getenv("GOGC") == "" }

// PaceCollections has garbage collected seldom while much work is done: work counts all that was done since the start.
// It returns what ends that.
func PaceCollections(work func() uint64) (stop func()) {
	if !gcPercentIsOurs() {
		return func() {}
	}
	p := &pace{work: work, done: work(), at: time.Now()}
	p.await()
	return p.stop
}

// pace looks at each collection what was done since the last one.
type pace struct {
	work func() uint64

	mu      sync.Mutex
	stopped bool
	done    uint64
	at      time.Time
}

// await has the next collection call look.
func (p *pace) await() {
	// Nobody refers to it, so that the next collection finds it.
	runtime.AddCleanup(&struct{ _ [2]*byte }{}, (*pace).look, p)
}

func (p *pace) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return
	}
	done, now := p.work(), time.Now()
	percent := gcPercentSmall
	if float64(done-p.done) > gcWorkFast*now.Sub(p.at).Seconds() {
		percent = gcPercentFast
	}
	p.done, p.at = done, now
	debug.SetGCPercent(percent)
	p.await()
}

func (p *pace) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	debug.SetGCPercent(gcPercentSmall)
}
