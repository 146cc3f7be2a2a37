// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Command dispatcher runs Posthorn's data plane.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/posthorn-dev/posthorn/internal/dispatcher"
	"github.com/posthorn-dev/posthorn/internal/telemetry"
)

func main() {
	var options dispatcher.RunOptions
	var logging telemetry.LogOptions
	var debugging telemetry.DebugOptions
	showVersion := flag.Bool("version", false, "print the version and exit")
	options.BindFlags(flag.CommandLine)
	logging.BindFlags(flag.CommandLine)
	debugging.BindFlags(flag.CommandLine)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once

	if *showVersion {
		fmt.Println(telemetry.Version())
		return
	}
	telemetry.Install(telemetry.NewLogger(os.Stderr, logging))
	if err := telemetry.TuneMemory(); err != nil {
		slog.Warn("Failed to read how much memory there is", "error", err)
	}
	if err := debugging.Serve(); err != nil {
		slog.Error("Dispatcher failed", "error", err)
		os.Exit(1)
	}
	done, err := dispatcher.Command(ctx, flag.Args())
	if !done {
		err = dispatcher.Run(ctx, options)
	}
	if err != nil {
		slog.Error("Dispatcher failed", "error", err)
		os.Exit(1)
	}
}
