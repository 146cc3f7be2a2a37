// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"net/http"
	"time"
)

// Configure sets the limits of a server that serves a Handler: slow clients hold a connection for
// a minute at most, and headers have room for 16 KiB of attributes, percent-encoded (48 KiB), and a
// token of 16 KiB.
func Configure(s *http.Server) {
	s.ReadHeaderTimeout = 10 * time.Second
	s.ReadTimeout = time.Minute
	// An answer may wait for the log (10 s) after the last byte of the body came.
	s.WriteTimeout = 90 * time.Second
	s.IdleTimeout = 2 * time.Minute
	s.MaxHeaderBytes = 80 << 10
}
