// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	"github.com/posthorn-dev/posthorn/internal/access"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/ingest"
	"github.com/posthorn-dev/posthorn/internal/source"
	"github.com/posthorn-dev/posthorn/internal/status"
	"github.com/posthorn-dev/posthorn/internal/telemetry"
)

// section returns what a page of the reference says under the headings that begin so.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", page))
	if err != nil {
		t.Fatal(err)
	}
	var found strings.Builder
	for part := range strings.SplitSeq(string(b), "\n## ") {
		if strings.HasPrefix(part, heading) {
			found.WriteString(part)
		}
	}
	return found.String()
}

// TestDocumentation_ListsEveryFlagWithItsDefault holds the page against the code.
func TestDocumentation_ListsEveryFlagWithItsDefault(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "")
	fs := flag.NewFlagSet("dispatcher", flag.ContinueOnError)
	new(RunOptions).BindFlags(fs)
	new(telemetry.LogOptions).BindFlags(fs)
	new(telemetry.DebugOptions).BindFlags(fs)
	fs.Bool("version", false, "")
	var want, got []string
	// Flags of a function have no default that the set knows.
	said := map[string]string{"token-issuer": "that of its own token", "log-format": "json"}
	fs.VisitAll(func(f *flag.Flag) {
		if f.DefValue == "" {
			f.DefValue = said[f.Name]
		}
		want = append(want, f.Name+"="+f.DefValue)
	})
	rows := regexp.MustCompile("(?m)^\\| `--([a-z-]+)` \\| ([^|]*)\\|").FindAllStringSubmatch(section(t, "flags.md", "dispatcher"), -1)
	for _, row := range rows {
		got = append(got, row[1]+"="+strings.Trim(strings.TrimSpace(row[2]), "`"))
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-code +page):\n%s", diff)
	}
}

// describer registers collectors, and notes the metrics that they can have.
type describer struct {
	prometheus.Registerer
	names []string
}

// Register is prometheus.Registerer's.
func (d *describer) Register(c prometheus.Collector) error {
	descriptions := make(chan *prometheus.Desc, 100)
	c.Describe(descriptions)
	close(descriptions)
	for one := range descriptions {
		d.names = append(d.names, regexp.MustCompile(`fqName: "(\w+)"`).FindStringSubmatch(one.String())[1])
	}
	return d.Registerer.Register(c)
}

// TestDocumentation_ListsEveryMetric holds the page against what the dispatcher registers.
func TestDocumentation_ListsEveryMetric(t *testing.T) {
	t.Parallel()
	registry := newRegistry()
	described := &describer{Registerer: registry}
	s := start(t, func(o *Options) { o.Registerer = registry })
	usage, err := s.log.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.d.metrics.storage(usage)
	if _, err := ingest.New(ingest.Options{Log: s.log, AllowUnauthenticated: true, Registerer: registry}); err != nil {
		t.Fatal(err)
	}
	if _, err := access.NewForConfig(&rest.Config{Host: "https://127.0.0.1"}, access.Options{Registerer: registry}); err != nil {
		t.Fatal(err)
	}
	// Most of these have a kind as label, and none before a kind is watched.
	if _, err := source.New(source.Options{
		Config: &rest.Config{Host: "https://127.0.0.1"}, Log: s.log, Reporter: new(status.Writer), Registerer: described,
		Accept: func(context.Context, string, []*event.Event) error { return nil },
	}); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	want := described.names
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "posthorn_") {
			want = append(want, f.GetName())
		}
	}
	var got []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(posthorn_[a-z_]+)` \\|").FindAllStringSubmatch(section(t, "metrics.md", "dispatcher"), -1) {
		got = append(got, row[1])
	}
	slices.Sort(want)
	want = slices.Compact(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-code +page):\n%s", diff)
	}
}

// TestDocumentation_AlertsNameMetricsThatThereAre holds what the page says in expressions against its own tables, which
// the code is held against.
func TestDocumentation_AlertsNameMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	page := section(t, "metrics.md", "")
	named := regexp.MustCompile(`posthorn_[a-z_]+`).FindAllString(page, -1)
	if len(named) == 0 {
		t.Fatal("the page names no metric")
	}
	for _, name := range named {
		base := regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(name, "")
		if !strings.Contains(page, "\n| `"+name+"` |") && !strings.Contains(page, "\n| `"+base+"` | histogram") {
			t.Errorf("the page speaks of %s and lists no such metric", name)
		}
	}
}
