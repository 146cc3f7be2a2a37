// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

func TestOpen_WaitsForTheOneThatHasTheLogOpen(t *testing.T) {
	dir := t.TempDir()
	first, err := eventlog.Open(t.Context(), eventlog.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	brief, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if second, err := eventlog.Open(brief, eventlog.Options{Dir: dir}); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "wait for the process") {
		if second != nil {
			second.Close()
		}
		t.Fatalf("a second one got the log of the first: %v", err)
	}
	opened := make(chan error)
	go func() {
		second, err := eventlog.Open(t.Context(), eventlog.Options{Dir: dir})
		if err == nil {
			second.Close()
		}
		opened <- err
	}()
	first.Close()
	if err := <-opened; err != nil {
		t.Error(err)
	}
}
