// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime/debug"
	"time"
)

// DebugOptions say where a program shows what it is busy with. The zero value is nowhere.
type DebugOptions struct {
	// Address is a host and port; "" and "0" mean that nothing is shown.
	Address string
}

// BindFlags adds the flag --debug-address to a flag set.
func (o *DebugOptions) BindFlags(fs *flag.FlagSet) {
	fs.StringVar(&o.Address, "debug-address", "0",
		"`address` of Go's profiles, for everybody who reaches it: use one of loopback alone; 0 for none")
}

// Serve shows Go's profiles under /debug/pprof/ until the process ends, and gives unused memory back to
// the system at a POST to /debug/free. It returns once the address is taken, which is the only error.
func (o DebugOptions) Serve() error {
	if o.Address == "" || o.Address == "0" {
		return nil
	}
	socket, err := net.Listen("tcp", o.Address) //nolint:noctx // it lives as long as the process
	if err != nil {
		return fmt.Errorf("listen for profiles: %w", err)
	}
	server := &http.Server{Handler: debugHandler(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := server.Serve(socket); !errors.Is(err, http.ErrServerClosed) {
			slog.Error("Stopped serving profiles", "error", err)
		}
	}()
	slog.Info("Serving profiles", "address", socket.Addr().String())
	return nil
}

// debugHandler serves the profiles without net/http's default mux, which anybody may add to.
func debugHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("POST /debug/free", func(w http.ResponseWriter, _ *http.Request) {
		debug.FreeOSMemory()
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}
