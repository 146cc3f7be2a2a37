// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package eventlog_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// contents is what a log holds, as far as these tests put it there.
type contents struct {
	Events, Waiting, Flushes []string
	State                    map[eventlog.StateKey][]byte
}

func read(t *testing.T, l *eventlog.Log) contents {
	t.Helper()
	var c contents
	into := func(s *[]string) func(eventlog.Message) {
		return func(m eventlog.Message) {
			*s = append(*s, fmt.Sprintf("%d %s %d", m.Seq, bytes.TrimRight(m.Data, "."), m.Time.UnixNano()))
		}
	}
	_, err := l.RecentEvents(t.Context(), 0, time.Time{}, 1_000_000, into(&c.Events))
	for _, scan := range []error{
		l.ScanWaiting(t.Context(), 1, 1_000_000, into(&c.Waiting)),
		l.ScanFlushes(t.Context(), 0, 1, into(&c.Flushes)),
	} {
		err = errors.Join(err, scan)
	}
	if err != nil {
		t.Fatal(err)
	}
	if c.State, err = l.State(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// backedUp is a log with something in each stream, and its backup.
func backedUp(t *testing.T) (contents, []byte) {
	t.Helper()
	l := open(t, eventlog.Options{Dir: t.TempDir()})
	place := eventlog.Place{Namespace: "team-a", Subscription: "s", EndpointNamespace: "team-a", EndpointName: "e"}
	for i := range 50 {
		if _, err := l.Append(t.Context(), "team-a", [][]byte{fmt.Appendf(nil, "event %d%s", i, strings.Repeat(".", 100_000))}); err != nil {
			t.Fatal(err)
		}
		seq, err := l.StoreWaiting(place, fmt.Appendf(nil, "waiting %d", i)).Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			if err := l.RemoveWaiting(t.Context(), seq); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := l.AppendFlush(t.Context(), 0, uint64(i), fmt.Appendf(nil, "flush %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.TrimEvents(t.Context(), 11); err != nil {
		t.Fatal(err)
	}
	if err := l.PutState(t.Context(), map[eventlog.StateKey][]byte{{Kind: "counters"}: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	if err := l.PutKey(t.Context(), "key", []byte("value")); err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := l.Backup(t.Context(), &archive); err != nil {
		t.Fatal(err)
	}
	return read(t, l), archive.Bytes()
}

func TestRestore_BringsBackEverythingWithItsSequences(t *testing.T) {
	want, archive := backedUp(t)
	dir := t.TempDir()
	o := eventlog.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)}
	if err := eventlog.Restore(t.Context(), o, bytes.NewReader(archive)); err != nil {
		t.Fatal(err)
	}
	l := open(t, eventlog.Options{Dir: dir, MaxBytes: 64 << 20})
	if diff := cmp.Diff(want, read(t, l)); diff != "" {
		t.Error(diff)
	}
	if v, ok, err := l.GetKey(t.Context(), "key"); err != nil || !ok || string(v) != "value" {
		t.Errorf("key is %q (%t, %v), want value", v, ok, err)
	}
	if _, err := l.AppendFlush(t.Context(), 0, 50, []byte("next")); err != nil {
		t.Errorf("the next flush does not follow the last one: %v", err)
	}
	seqs, err := l.Append(t.Context(), "team-a", [][]byte{[]byte("next")})
	if err != nil || seqs[0] != 51 {
		t.Errorf("the next event is %v (%v), want 51", seqs, err)
	}
}

func TestRestore_Refuses(t *testing.T) {
	_, archive := backedUp(t)
	taken := t.TempDir()
	open(t, eventlog.Options{Dir: taken}).Close()
	tests := map[string]struct {
		dir     string
		archive []byte
		says    string
	}{
		"a directory with a log":   {taken, archive, "empty directory"},
		"what is no archive":       {"", []byte("hello"), "no backup"},
		"an archive that is cut":   {"", archive[:len(archive)*2/3], "cut off"},
		"an archive without end":   {"", archive[:len(archive)-2048], "cut off"},
		"a version of the future":  {"", manifestOnly(t, `{"version":2}`), "version 2"},
		"an archive of no streams": {"", manifestOnly(t, `{"version":1}`), "lacks"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // the engine waits for 5 s before it gives a broken restore up
			if tt.dir == "" {
				tt.dir = t.TempDir()
			}
			before := files(t, tt.dir)
			o := eventlog.Options{Dir: tt.dir, Logger: slog.New(slog.DiscardHandler)}
			err := eventlog.Restore(t.Context(), o, bytes.NewReader(tt.archive))
			if !errors.Is(err, eventlog.ErrBackup) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want ErrBackup that says %q", err, tt.says)
			}
			after := slices.DeleteFunc(files(t, tt.dir), func(name string) bool { return name == "lock" && !slices.Contains(before, name) })
			if diff := cmp.Diff(before, after, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("it left or took files: %s", diff)
			}
		})
	}
}

// manifestOnly is an archive without streams.
func manifestOnly(t *testing.T, manifest string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range [][2]string{{"posthorn-backup.json", manifest}, {"end", ""}} {
		if err := w.WriteHeader(&tar.Header{Name: e[0], Size: int64(len(e[1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// files are the names in a directory.
func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
