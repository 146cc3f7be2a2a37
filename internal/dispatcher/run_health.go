// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// health answers the probes. Its zero value is a process that starts.
type health struct {
	ready atomic.Pointer[func() error]
}

// errStarting is the reason of a process that has not opened its event log yet.
var errStarting = errors.New("event log is being opened")

// watch has readiness follow a function.
func (h *health) watch(ready func() error) { h.ready.Store(&ready) }

// why returns nil when the process is ready, or the reason why not.
func (h *health) why() error {
	if ready := h.ready.Load(); ready != nil {
		return (*ready)()
	}
	return errStarting
}

// handler serves /healthz, which answers while the process does, and /readyz, which answers 503 with
// the reason unless events are taken and routed.
func (h *health) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := h.why(); err != nil {
			say(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		say(w, http.StatusOK, "ok")
	})
	return mux
}

// say answers with a line of text.
func say(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text+"\n") // a probe that went away cannot be told so
}
