// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/posthorn-dev/posthorn/internal/config"
	"github.com/posthorn-dev/posthorn/internal/problem"
	"github.com/posthorn-dev/posthorn/internal/retry"
)

// elsewhere is an API server that nobody runs.
var elsewhere = &rest.Config{Host: "https://127.0.0.1:1"}

func TestRun_RefusesWhatItCannotRunWith(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	tests := map[string]struct {
		change func(*RunOptions)
		want   string
	}{
		"no data directory":         {func(o *RunOptions) { o.DataDir = "" }, "--data-dir"},
		"no namespace":              {func(o *RunOptions) { o.Namespace = "" }, "--namespace"},
		"a certificate without key": {func(o *RunOptions) { o.CertFile = "tls.crt" }, "--tls-key-file"},
		"a certificate that is not": {func(o *RunOptions) { o.CertFile, o.KeyFile = "absent.crt", "absent.key" }, "absent.crt"},
		"a configuration that is not": {
			func(o *RunOptions) { o.Config = filepath.Join(o.DataDir, "absent.yaml") }, "read configuration",
		},
		"an address that is taken": {func(o *RunOptions) { o.IngestAddress = taken.Addr().String() }, "listen for ingest"},
		"a token that is none": {
			func(o *RunOptions) { o.REST = &rest.Config{Host: elsewhere.Host, BearerToken: "x"} }, "issuer of own token",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := RunOptions{
				REST: elsewhere, DataDir: t.TempDir(), Namespace: "posthorn-system", IngestAddress: "127.0.0.1:0",
				HealthAddress: "127.0.0.1:0", MetricsAddress: none,
			}
			tc.change(&o)
			if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestRun_HandsOnTheRetriesOfThePlatform(t *testing.T) {
	t.Parallel()
	platform := config.Default()
	if diff := cmp.Diff(builtinRetry(), coreOptions(&RunOptions{}, platform, nil).Retry); diff != "" {
		t.Errorf("of a platform that configures none (-want +got):\n%s", diff)
	}
	platform, err := config.Parse([]byte("defaults: {retry: {delays: [1s, 2s], jitterPercent: 5, giveUpOn: [413]}, maxAge: 24h}"))
	if err != nil {
		t.Fatal(err)
	}
	want := &retry.Policy{Delays: []time.Duration{time.Second, 2 * time.Second}, JitterPercent: 5, GiveUpOn: []int{413}, MaxAge: 24 * time.Hour}
	if diff := cmp.Diff(want, coreOptions(&RunOptions{}, platform, nil).Retry); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestHealth_SaysWhyItIsNotReady(t *testing.T) {
	t.Parallel()
	var h health
	ask := func() (int, string) {
		w := httptest.NewRecorder()
		h.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", http.NoBody))
		return w.Code, strings.TrimSpace(w.Body.String())
	}
	if code, body := ask(); code != http.StatusServiceUnavailable || body != errStarting.Error() {
		t.Errorf("at the start: got %d %q", code, body)
	}
	h.watch(func() error { return errStopping })
	if code, body := ask(); code != http.StatusServiceUnavailable || body != errStopping.Error() {
		t.Errorf("at the end: got %d %q", code, body)
	}
	h.watch(func() error { return nil })
	if code, body := ask(); code != http.StatusOK || body != "ok" {
		t.Errorf("in between: got %d %q", code, body)
	}
}

func TestFront_RefusesRequestsUntilItIsOpened(t *testing.T) {
	t.Parallel()
	var f front
	ask := func() *http.Response {
		w := httptest.NewRecorder()
		f.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/namespaces/team-a/events", http.NoBody))
		return w.Result()
	}
	answer := ask()
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") != "1" ||
		answer.Header.Get("Content-Type") != problem.ContentType {
		t.Errorf("at the start: got %s, %v", answer.Status, answer.Header)
	}
	f.open(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	answer = ask()
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusTeapot {
		t.Errorf("afterwards: got %s", answer.Status)
	}
}
