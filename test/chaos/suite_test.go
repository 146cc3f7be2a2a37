// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/testkit/controlplane"
	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
	"github.com/posthorn-dev/posthorn/internal/testkit/recorder"
	"github.com/posthorn-dev/posthorn/internal/testkit/revisions"
)

// posthorn is the platform that the tests of this package share. Each has dispatchers, data and tenants of its
// own, and they run one after the other.
var posthorn *platform.Platform

// recorded holds what the resources say, at every moment of every test, against what the conditions promise.
var recorded *revisions.Recorder

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if posthorn, err = platform.Start(controlplane.Options{ControllerManager: true}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if recorded, err = revisions.Start(context.Background(), posthorn.Plane.Config()); err != nil {
		fmt.Fprintln(os.Stderr, errors.Join(err, posthorn.Stop()))
		return 1
	}
	code := m.Run()
	for _, violation := range recorded.Violations() {
		fmt.Fprintln(os.Stderr, violation)
		code = 1
	}
	if err := posthorn.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// configuration has short waits, and admits the receivers. The API server has their address here, which must
// then be listed by itself.
const configuration = `
egress: {allow: [127.0.0.1]}
defaults:
  timeout: 2s
  circuitBreaker: {failureThreshold: 5, openDuration: 1s, maxOpenDuration: 2s}
  retry: {delays: [100ms, 200ms, 500ms, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s]}
storage: {maxBytes: 2Gi, namespaceShare: 100%}
`

// fromEnvironment is a number that a variable of the environment may set.
func fromEnvironment(t *testing.T, name string, otherwise int) int {
	t.Helper()
	raw := os.Getenv(name)
	if raw == "" {
		return otherwise
	}
	n, err := strconv.Atoi(raw)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, want a number from 1", name, raw)
	}
	return n
}

// dice are the randomness of a test. CRASH_SEED repeats a run.
func dice(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if raw := os.Getenv("CRASH_SEED"); raw != "" {
		var err error
		if seed, err = strconv.ParseUint(raw, 10, 64); err != nil {
			t.Fatalf("CRASH_SEED is %q, want a number", raw)
		}
	}
	t.Logf("CRASH_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// within bounds a test's wait.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// must ends the test at an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newReceiver runs a receiver that ends with the test.
func newReceiver(t *testing.T) *recorder.Recorder {
	t.Helper()
	r, err := recorder.New()
	must(t, err)
	t.Cleanup(r.Close)
	return r
}

// newDispatcher prepares a dispatcher that ends with the test, and shows the end of its log when that failed.
func newDispatcher(t *testing.T, o platform.DispatcherOptions) *platform.Dispatcher {
	t.Helper()
	if o.Config == "" {
		o.Config = configuration
	}
	d, err := posthorn.NewDispatcher(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { end(t, d.Process) })
	return d
}

// startOperator runs an operator that ends with the test.
func startOperator(t *testing.T, proxy *platform.Proxy) *platform.Operator {
	t.Helper()
	o, err := posthorn.NewOperator(t.Context(), configuration, proxy)
	must(t, err)
	t.Cleanup(func() {
		end(t, o.Process)
		for _, violation := range recorded.Violations() {
			t.Error(violation)
		}
	})
	must(t, o.Start())
	return o
}

// end kills what a test left running.
func end(t *testing.T, p *platform.Process) {
	t.Helper()
	p.Kill()
	if t.Failed() {
		t.Logf("%s ended with:\n%s", p.Log(), p.Tail(20))
	}
}
