// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package telemetry_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/posthorn-dev/posthorn/internal/telemetry"
)

func TestLogOptions_FlagsChooseFormatAndLevel(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args    []string
		want    telemetry.LogOptions
		wantErr bool
	}{
		"nothing given leaves the defaults": {want: telemetry.LogOptions{Level: slog.LevelInfo}},
		"text at debug": {
			args: []string{"--log-format=text", "--log-level=debug"},
			want: telemetry.LogOptions{Format: telemetry.FormatText, Level: slog.LevelDebug},
		},
		"json at error": {
			args: []string{"--log-format=json", "--log-level=error"},
			want: telemetry.LogOptions{Format: telemetry.FormatJSON, Level: slog.LevelError},
		},
		"an unknown format is refused": {args: []string{"--log-format=xml"}, wantErr: true},
		"an unknown level is refused":  {args: []string{"--log-level=loud"}, wantErr: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got telemetry.LogOptions
			fs := flag.NewFlagSet("test", flag.ContinueOnError)
			fs.SetOutput(io.Discard)
			got.BindFlags(fs)
			err := fs.Parse(tc.args)
			if (err != nil) != tc.wantErr {
				t.Fatalf("Parse(%v) returned %v, want an error: %t", tc.args, err, tc.wantErr)
			}
			if !tc.wantErr && got != tc.want {
				t.Errorf("Parse(%v) gave %+v, want %+v", tc.args, got, tc.want)
			}
		})
	}
}

func TestNewLogger_WritesTheFormatFromTheLevelOn(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := telemetry.NewLogger(&out, telemetry.LogOptions{})
	l.Debug("Attempted delivery")
	l.Info("Delivered event", "statusCode", 204)

	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("want one line of JSON, got %q: %v", out.String(), err)
	}
	if line["msg"] != "Delivered event" || line["statusCode"] != float64(204) {
		t.Errorf("got %v", line)
	}

	out.Reset()
	telemetry.NewLogger(&out, telemetry.LogOptions{Format: telemetry.FormatText}).Info("Delivered event")
	if !strings.Contains(out.String(), `msg="Delivered event"`) {
		t.Errorf("want a line of text, got %q", out.String())
	}
}

// processLog is what the process logs once Install has run. The loggers are the process's, and
// controller-runtime takes one only once, so that the tests share it.
var processLog = sync.OnceValue(func() *bytes.Buffer {
	out := new(bytes.Buffer)
	telemetry.Install(telemetry.NewLogger(out, telemetry.LogOptions{}))
	return out
})

// TestInstall_RedirectsEveryLogger is not parallel: others would write into the same log.
func TestInstall_RedirectsEveryLogger(t *testing.T) {
	out := processLog()
	out.Reset()
	slog.InfoContext(t.Context(), "From slog")
	log.Log.Info("From controller-runtime")
	klog.InfoS("From klog")
	for _, want := range []string{"From slog", "From controller-runtime", "From klog"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in the log:\n%s", want, out.String())
		}
	}
}

func TestVersion_IsNeverEmpty(t *testing.T) {
	t.Parallel()
	if telemetry.Version() == "" {
		t.Error("a program without a version cannot be supported")
	}
}
