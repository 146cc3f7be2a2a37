// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"flag"
	"fmt"
	"io"
	"log/slog"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// LogFormat is how a line of the log is written.
type LogFormat string

// Formats of the log.
const (
	// FormatJSON writes one JSON object a line, for collectors. It is the default.
	FormatJSON LogFormat = "json"
	// FormatText writes key=value pairs, for people.
	FormatText LogFormat = "text"
)

// LogOptions choose form and level of the log. The zero value is JSON at level info.
type LogOptions struct {
	// Format is json or text; empty means json.
	Format LogFormat
	// Level is the least level that is written. Debug shows each attempt, and the verbosity levels
	// 1 to 4 of the Kubernetes libraries.
	Level slog.Level
}

// BindFlags adds the flags --log-format and --log-level to a flag set.
func (o *LogOptions) BindFlags(fs *flag.FlagSet) {
	fs.Func("log-format", "form of the log: json or text (default json)", func(s string) error {
		switch f := LogFormat(s); f {
		case FormatJSON, FormatText:
			o.Format = f
			return nil
		}
		return fmt.Errorf("unknown format %q: write json or text", s)
	})
	fs.TextVar(&o.Level, "log-level", o.Level, "least level that is logged: debug, info, warn or error")
}

// NewLogger returns a logger that writes to w as the options say.
func NewLogger(w io.Writer, o LogOptions) *slog.Logger {
	options := &slog.HandlerOptions{Level: o.Level}
	if o.Format == FormatText {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// Install makes l the logger of the whole process: of package slog, of controller-runtime, and of
// klog, which client-go writes to. A program calls it once, before anything is logged.
func Install(l *slog.Logger) {
	slog.SetDefault(l)
	bridge := logr.FromSlogHandler(l.Handler())
	log.SetLogger(bridge)
	klog.SetLogger(bridge)
}
