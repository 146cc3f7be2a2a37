// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/posthorn-dev/posthorn/internal/testkit/controlplane"
	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
)

// defaultPairs is how often a figure and its baseline are measured in turns: machines that others share swing
// by half from one second to the next.
const defaultPairs = 5

// session is what the benches share. What is expensive is made when the first of them asks.
type session struct {
	began   time.Time
	program string // this binary
	pairs   int
	// scale multiplies how much the benches do.
	scale    float64
	receiver *receiver
	shared   *platform.Platform
	all      []*platform.Platform
	// crowds are the tenants with many subscriptions, by their number.
	crowds map[int]*crowd
}

// newSession starts the receiver.
func newSession() (*session, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	s := &session{began: time.Now(), program: program, pairs: defaultPairs, scale: 1, crowds: map[int]*crowd{}}
	if raw := os.Getenv("BENCH_SCALE"); raw != "" {
		if s.scale, err = strconv.ParseFloat(raw, 64); err != nil || s.scale <= 0 {
			return nil, fmt.Errorf("BENCH_SCALE is %q, want a number above 0", raw)
		}
	}
	if raw := os.Getenv("BENCH_PAIRS"); raw != "" {
		if s.pairs, err = strconv.Atoi(raw); err != nil || s.pairs < 1 {
			return nil, fmt.Errorf("BENCH_PAIRS is %q, want a number from 1", raw)
		}
	}
	s.receiver, err = s.startReceiver()
	return s, err
}

// scaled is a number of events or deliveries, a multiple of 100.
func (s *session) scaled(n int) int { return max(1, int(float64(n)*s.scale)/100) * 100 }

// say tells what is going on, on standard error, so that the table stands alone.
func (s *session) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%4.0fs  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

// platform is the control plane of the benches that need few objects.
func (s *session) platform() (*platform.Platform, error) {
	if s.shared == nil {
		var err error
		if s.shared, err = s.newPlatform(); err != nil {
			return nil, err
		}
	}
	return s.shared, nil
}

// newPlatform is a control plane of one bench alone.
func (s *session) newPlatform() (*platform.Platform, error) {
	s.say("starting a control plane")
	p, err := platform.Start(controlplane.Options{})
	if err == nil {
		s.all = append(s.all, p)
	}
	return p, err
}

// stop ends all processes.
func (s *session) stop() error {
	var errs []error
	for _, p := range s.all {
		errs = append(errs, p.Stop())
	}
	return errors.Join(append(errs, s.receiver.stop())...)
}

// configuration admits the receiver, and leaves all else as it is by default.
const configuration = `
egress: {allow: [127.0.0.1]}
storage: {maxBytes: 20Gi}
`

// storageBytes is maxBytes above.
const storageBytes = 20 << 30

// newDispatcher prepares a dispatcher that routes a tenant's events, on a copy of a data directory; "" for an empty
// one.
func (s *session) newDispatcher(ctx context.Context, t *tenant, data string) (*platform.Dispatcher, error) {
	dir, err := os.MkdirTemp(t.platform.Dir, "data-")
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	if data != "" {
		if err := os.CopyFS(filepath.Join(dir, "copy"), os.DirFS(data)); err != nil {
			return nil, fmt.Errorf("copy data: %w", err)
		}
	}
	o := platform.DispatcherOptions{
		Config: cmp.Or(t.configuration, configuration), DataDir: filepath.Join(dir, "copy"),
		Args: []string{"--watch-namespaces", strings.Join(append([]string{t.namespace}, t.neighbours...), ",")},
	}
	if address := os.Getenv("BENCH_DEBUG_ADDRESS"); address != "" {
		o.Args = append(o.Args, "--debug-address", address)
	}
	return t.platform.NewDispatcher(ctx, o)
}

// discard kills a dispatcher and removes its data.
func discard(d *platform.Dispatcher) {
	d.Kill()
	_ = os.RemoveAll(d.DataDir) // the platform's directory goes in the end
}

// whole returns an error unless every delivery of a dispatcher is accounted for and has ended.
func whole(ctx context.Context, d *platform.Dispatcher) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return platform.Await(ctx, "all deliveries have ended", func(ctx context.Context) error {
		pending, err := d.Pending(ctx)
		if err != nil {
			return err
		}
		m, err := d.ReadMetrics(ctx)
		if err != nil {
			return err
		}
		if lost := m["posthorn_unaccounted_deliveries"]; pending != 0 || lost != 0 {
			return fmt.Errorf("%d are pending, %v are unaccounted for", pending, lost)
		}
		return nil
	})
}
