// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Command operator runs Posthorn's control plane.
package main

import (
	"flag"
	"fmt"
	"log/slog"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/posthorn-dev/posthorn/internal/operator"
	"github.com/posthorn-dev/posthorn/internal/telemetry"
)

func main() {
	var options operator.Options
	var logging telemetry.LogOptions
	var debugging telemetry.DebugOptions
	showVersion := flag.Bool("version", false, "print the version and exit")
	options.BindFlags(flag.CommandLine)
	logging.BindFlags(flag.CommandLine)
	debugging.BindFlags(flag.CommandLine)
	flag.Parse()

	if *showVersion {
		fmt.Println(telemetry.Version())
		return
	}
	telemetry.Install(telemetry.NewLogger(os.Stderr, logging))
	if err := debugging.Serve(); err != nil {
		slog.Error("Operator failed", "error", err)
		os.Exit(1)
	}
	if err := operator.Run(ctrl.SetupSignalHandler(), options); err != nil {
		slog.Error("Operator failed", "error", err)
		os.Exit(1)
	}
}
