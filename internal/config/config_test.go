// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/config"
)

var comparePrefixes = cmpopts.EquateComparable(netip.Prefix{})

func TestParse_ReadsEveryField(t *testing.T) {
	t.Parallel()
	got, err := config.Parse([]byte(`
egress:
  allow: [10.20.0.0/16, 127.0.0.1]
  namespaceAllow: {team-a: ["fd00::/8"]}
  clusterCIDRs: [10.96.0.0/12]
  proxyFromEnvironment: true
defaults:
  timeout: 10s
  concurrency: 4
  rateLimit: {requests: 100, per: 1m}
  circuitBreaker: {failureThreshold: 3, openDuration: 1m, maxOpenDuration: 1h, probes: 1}
  retry: {delays: [1s, 1h30m], jitterPercent: 0, giveUpOn: [413]}
  maxAge: 24h
storage:
  maxBytes: 1Gi
  sync: Always
  namespaceShare: 10%
  namespaceShares: {team-a: 50%, team-b: 2Mi}
retention:
  events: {age: 1h, maxBytes: 1Mi}
  attempts: {age: 2h, maxBytes: 1.5Gi}
  deadLetters: {age: 3h}
ingest:
  rateLimit: {requests: 1000}
  namespaceRateLimits: {team-a: {requests: 5, per: 1s}}
`))
	if err != nil {
		t.Fatal(err)
	}
	prefix := netip.MustParsePrefix
	want := &config.Config{
		Egress: config.Egress{
			Allow:                []netip.Prefix{prefix("10.20.0.0/16"), prefix("127.0.0.1/32")},
			NamespaceAllow:       map[string][]netip.Prefix{"team-a": {prefix("fd00::/8")}},
			ClusterCIDRs:         []netip.Prefix{prefix("10.96.0.0/12")},
			ProxyFromEnvironment: true,
		},
		Defaults: compile.Defaults{
			Timeout:     10 * time.Second,
			Concurrency: 4,
			RateLimit:   &compile.RateLimit{Requests: 100, Per: time.Minute},
			Breaker:     breaker.Config{FailureThreshold: 3, OpenDuration: time.Minute, MaxOpenDuration: time.Hour, Probes: 1},
			RetryDelays: []time.Duration{time.Second, 90 * time.Minute},
			GiveUpOn:    []int{413},
			MaxAge:      24 * time.Hour,
		},
		Storage: config.Storage{
			MaxBytes: 1 << 30, SyncAlways: true, NamespaceShare: config.Share{Percent: 10},
			NamespaceShares: map[string]config.Share{"team-a": {Percent: 50}, "team-b": {Bytes: 2 << 20}},
		},
		Retention: config.Retention{
			Events:      config.Keep{Age: time.Hour, MaxBytes: 1 << 20},
			Attempts:    config.Keep{Age: 2 * time.Hour, MaxBytes: 3 << 29},
			DeadLetters: config.Keep{Age: 3 * time.Hour},
		},
		Ingest: config.Ingest{
			RateLimit:           &compile.RateLimit{Requests: 1000, Per: time.Second},
			NamespaceRateLimits: map[string]compile.RateLimit{"team-a": {Requests: 5, Per: time.Second}},
		},
	}
	if diff := cmp.Diff(want, got, comparePrefixes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParse_NamesEveryFieldAtFault(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		file string
		want string
	}{
		"an unknown field":            {file: "egress: {alow: []}", want: `egress.alow`},
		"an unknown section":          {file: "egres: {}", want: "egres"},
		"a field in another case":     {file: "egress: {Allow: []}", want: "egress.Allow"},
		"a field that is there twice": {file: "storage: {maxBytes: 1Gi}\nstorage: {}", want: "storage"},
		"a field of another type":     {file: "defaults: {concurrency: many}", want: "concurrency"},
		"what is no YAML":             {file: "egress: [", want: "parse YAML"},
		"what is no range":            {file: "egress: {allow: [10.0.0.0/8, internal]}", want: "egress.allow[1]"},
		"a range with host bits":      {file: "egress: {clusterCIDRs: [10.0.0.1/8]}", want: "write 10.0.0.0/8"},
		"a range of what is no namespace": {
			file: "egress: {namespaceAllow: {Team_A: []}}", want: "egress.namespaceAllow",
		},
		"a range of a namespace":       {file: "egress: {namespaceAllow: {a: [x]}}", want: "egress.namespaceAllow.a[0]"},
		"a timeout that is too long":   {file: "defaults: {timeout: 61s}", want: "defaults.timeout: 61s is out of bounds: write 1s to 1m"},
		"a duration without a unit":    {file: "defaults: {maxAge: \"72\"}", want: "defaults.maxAge"},
		"a rate without a number":      {file: "defaults: {rateLimit: {per: 1s}}", want: "defaults.rateLimit.requests: is missing"},
		"bounds of a breaker":          {file: "defaults: {circuitBreaker: {openDuration: 30m}}", want: "defaults.circuitBreaker.maxOpenDuration"},
		"a delay that does not parse":  {file: "defaults: {retry: {delays: [1s, soon]}}", want: "defaults.retry.delays[1]"},
		"a status that is a success":   {file: "defaults: {retry: {giveUpOn: [204]}}", want: "defaults.retry.giveUpOn[0]"},
		"a size that is none":          {file: "storage: {maxBytes: much}", want: "storage.maxBytes"},
		"a size of half a byte":        {file: "storage: {maxBytes: \"10.5\"}", want: "storage.maxBytes"},
		"a share of more than all":     {file: "storage: {namespaceShare: 101%}", want: "storage.namespaceShare"},
		"a share of nothing":           {file: "storage: {namespaceShares: {a: 0%}}", want: "storage.namespaceShares.a"},
		"a way to write that is none":  {file: "storage: {sync: Never}", want: "storage.sync"},
		"an age that is none":          {file: "retention: {events: {age: never}}", want: "retention.events.age"},
		"a rate of a namespace":        {file: "ingest: {namespaceRateLimits: {a: {requests: 0}}}", want: "ingest.namespaceRateLimits.a.requests"},
		"the second of two at once":    {file: "defaults: {timeout: 0s, concurrency: 0}", want: "defaults.concurrency"},
		"the known beside the unknown": {file: "defaults: {timeout: 0s, tiemout: 1s}", want: "defaults.timeout"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Parse([]byte(tc.file))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestLoad_FallsBackToTheDefaults(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "posthorn.yaml")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", empty} {
		got, err := config.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(config.Default(), got, comparePrefixes); diff != "" {
			t.Errorf("%q (-want +got):\n%s", path, diff)
		}
	}
	if _, err := config.Load(filepath.Join(t.TempDir(), "absent.yaml")); err == nil {
		t.Error("a file that is not there is no error")
	}
}

// TestDocumentation_ExampleIsTheDefault holds the page against the code: its example lists every field
// with its default.
func TestDocumentation_ExampleIsTheDefault(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(page)
	if example == nil {
		t.Fatal("the page has no example")
	}
	got, err := config.Parse(example[1])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config.Default(), got, comparePrefixes, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-default +example):\n%s", diff)
	}
}

func TestStorage_ShareOf(t *testing.T) {
	t.Parallel()
	s := config.Storage{
		NamespaceShare:  config.Share{Percent: 25},
		NamespaceShares: map[string]config.Share{"half": {Percent: 50}, "fixed": {Bytes: 100}, "huge": {Bytes: 1 << 40}},
	}
	for namespace, want := range map[string]int64{"any": 250, "half": 500, "fixed": 100, "huge": 1000} {
		if got := s.ShareOf(namespace, 1000); got != want {
			t.Errorf("%s: got %d, want %d", namespace, got, want)
		}
	}
}

func TestIngest_RateLimitOf(t *testing.T) {
	t.Parallel()
	own := compile.RateLimit{Requests: 1, Per: time.Second}
	i := config.Ingest{NamespaceRateLimits: map[string]compile.RateLimit{"a": own}}
	if got := i.RateLimitOf("a"); got == nil || *got != own {
		t.Errorf("a: got %v", got)
	}
	if got := i.RateLimitOf("b"); got != nil {
		t.Errorf("b: got %v, want no limit", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("egress: {allow: [10.0.0.0/8]}"))
	f.Add([]byte("defaults: {retry: {delays: [1s]}}"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := config.Parse(b)
		if (c == nil) == (err == nil) {
			t.Errorf("got %v and %v", c, err)
		}
	})
}
