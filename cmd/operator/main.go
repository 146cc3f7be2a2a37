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

// options are all flags of the program.
type options struct {
	operator    operator.Options
	logging     telemetry.LogOptions
	debugging   telemetry.DebugOptions
	showVersion bool
}

func (o *options) bindFlags(fs *flag.FlagSet) {
	fs.BoolVar(&o.showVersion, "version", false, "print the version and exit")
	o.operator.BindFlags(fs)
	o.logging.BindFlags(fs)
	o.debugging.BindFlags(fs)
}

func main() {
	var o options
	o.bindFlags(flag.CommandLine)
	flag.Parse()

	if o.showVersion {
		fmt.Println(telemetry.Version())
		return
	}
	telemetry.Install(telemetry.NewLogger(os.Stderr, o.logging))
	if err := telemetry.TuneMemory(); err != nil {
		slog.Warn("Failed to read how much memory there is", "error", err)
	}
	if err := o.debugging.Serve(); err != nil {
		slog.Error("Operator failed", "error", err)
		os.Exit(1)
	}
	if err := operator.Run(ctrl.SetupSignalHandler(), o.operator); err != nil {
		slog.Error("Operator failed", "error", err)
		os.Exit(1)
	}
}
