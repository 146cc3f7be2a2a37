// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Command demo shows Posthorn at work on a real Kubernetes API server, without containers: it starts a control
// plane, operator, dispatcher and a sample receiver as processes on loopback, applies config/samples, posts
// events, and shows what becomes of them while the receiver works, fails and works again.
//
// make demo builds what it needs and runs it from the root of the repository. It stays up until Ctrl-C; with
// DEMO_EXIT=1 it ends after the last step. The exit status is 0 only if every step was seen to work. No
// process outlives it, and the only network that it uses is loopback.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// Exit statuses beside 0.
const (
	exitFailed      = 1
	exitInterrupted = 130 // as a shell reports a program that SIGINT ended
)

// errInterrupted ends what is under way when a signal asks for it.
var errInterrupted = errors.New("interrupted")

func init() {
	// Linux kills the children of a thread that ends (process_linux.go). All of ours are started by the main
	// goroutine, which this keeps on the main thread, and that lives as long as the process.
	runtime.LockOSThread()
}

func main() { os.Exit(run()) }

func run() int {
	if err := followParent(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		return exitFailed
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	watchSignals(cancel)

	d, err := newDemo(os.Stdout, cancel)
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		return exitFailed
	}
	defer d.stop()
	if err := d.play(ctx); err != nil {
		if errors.Is(err, errInterrupted) {
			return exitInterrupted
		}
		d.explain(err)
		return exitFailed
	}
	if os.Getenv("DEMO_EXIT") == "1" {
		return 0
	}
	d.invite()
	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, errInterrupted) {
		d.explain(err)
		return exitFailed
	}
	return 0
}

// watchSignals ends the demo in order at the first signal and at once at the second. SIGPIPE is taken so that
// a closed pipe on standard output does not end it before it has cleaned up.
func watchSignals(cancel context.CancelCauseFunc) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	go func() {
		interrupted := false
		for s := range signals {
			if interrupted && s != syscall.SIGPIPE {
				os.Exit(exitInterrupted)
			}
			interrupted = true
			cancel(errInterrupted)
		}
	}()
}
