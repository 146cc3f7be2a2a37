// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/wire"
)

// writeFixture has TestFormat_WritesTheFixture write the data directory that later builds must read:
//
//	go test ./internal/dispatcher/ -run TestFormat_WritesTheFixture -write-fixture testdata/data-NAME.tar.gz
//
// Keep those of earlier releases: each is read by every later build.
var writeFixture = flag.String("write-fixture", "", "file to write a data directory of this build to")

// Of the fixture's events, these many were given to each of two subscriptions before the crash, and these many
// more were accepted and not read. One of the former was dead-lettered, and one waits for its next attempt.
const (
	fixtureRead   = 12
	fixtureUnread = 3
)

// fixtureAge is how old a fixture may become before its deliveries are given up.
const fixtureAge = 100 * 365 * 24 * time.Hour

// twoSubscriptions are one to an endpoint that works, and one to an endpoint that is suspended or not.
func (s *system) twoSubscriptions(billing, audit string, suspended bool) {
	s.endpoints = []*delivery.Endpoint{
		s.endpoint("team-a", "billing", billing, nil),
		s.endpoint("team-b", "audit.log", audit, func(e *delivery.Endpoint) {
			e.Suspended, e.AdmitsAll = suspended, true
		}),
	}
	s.subs = []*delivery.Subscription{
		s.subscription("team-a", "orders", s.endpoints[0].Name, func(x *delivery.Subscription) {
			x.Retry.Delays = []time.Duration{time.Hour, time.Hour}
			x.Retry.GiveUpOn, x.Retry.MaxAge = []int{http.StatusUnprocessableEntity}, fixtureAge
		}),
		s.subscription("team-a", "audit", s.endpoints[1].Name, func(x *delivery.Subscription) { x.Retry.MaxAge = fixtureAge }),
	}
	s.load()
}

// fixture makes a data directory with something of all that is stored, as a crash leaves it.
func fixture(t *testing.T) *system {
	t.Helper()
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		switch n {
		case 5:
			w.WriteHeader(http.StatusUnprocessableEntity)
		case 7:
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	s := start(t, nil)
	s.twoSubscriptions(r.URL, r.URL, true)
	s.send("team-a", fixtureRead)
	s.eventually("all is recorded", func() bool {
		a := s.d.Account()
		return a.Delivered == fixtureRead-2 && a.DeadLettered == 1 && a.Stored == fixtureRead+1
	})
	if err := s.log.PutKey(t.Context(), "key", []byte("value")); err != nil {
		t.Fatal(err)
	}
	s.crash()
	s.endpoints, s.subs = nil, nil
	s.up() // without a table: what is sent now is accepted, and not read
	s.send("team-a", fixtureUnread)
	s.down()
	return s
}

func TestFormat_WritesTheFixture(t *testing.T) {
	s := fixture(t)
	checkFixture(t, s, false)
	if *writeFixture == "" {
		return
	}
	s = fixture(t)
	if err := pack(s.dir, *writeFixture); err != nil {
		t.Fatal(err)
	}
}

func TestFormat_DrainsTheDataDirectoriesOfEarlierBuilds(t *testing.T) {
	files, err := filepath.Glob("testdata/data-*.tar.gz")
	if err != nil || len(files) == 0 {
		t.Fatalf("found no data directories (%v)", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			s := &system{t: t, dir: t.TempDir(), reports: newReports()}
			if err := unpack(file, s.dir); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.down() })
			checkFixture(t, s, true)
		})
	}
}

// checkFixture starts on a fixture's directory and checks that everything in it is delivered, once. The retry of one
// that was written more than an hour ago is due, and delivered too.
func checkFixture(t *testing.T, s *system, retryDue bool) {
	t.Helper()
	billing, audit := newReceiver(t, nil), newReceiver(t, nil)
	s.up()
	s.twoSubscriptions(billing.URL, audit.URL, false)
	const matched = 2 * (fixtureRead + fixtureUnread)
	retried, waits := 0, 1
	if retryDue {
		retried, waits = 1, 0
	}
	s.eventually("all that is due ended", func() bool {
		a := s.d.Account()
		return a.Complete && a.Matched == matched && a.Delivered == int64(matched-2+retried) && a.DeadLettered == 1 &&
			a.Stored == int64(waits) && a.Memory == 0
	})
	for name, want := range map[*receiver]int{billing: fixtureUnread + retried, audit: fixtureRead + fixtureUnread} {
		if distinct, total := name.distinct(); distinct != want || total != want {
			t.Errorf("%d deliveries in %d requests, want %d", distinct, total, want)
		}
	}
}

func TestFormat_SkipsWhatALaterBuildAdds(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	addition := func(record []byte) []byte {
		return protowire.AppendString(protowire.AppendTag(record, 1000, protowire.BytesType), "of a later release")
	}
	e := &event.Event{Namespace: "team-a", ID: "e1", Source: "/shop", Type: "com.example.order.created"}
	waits := &delivery.Stored{
		EventSeq: 7, Subscription: delivery.Name{Namespace: "team-a", Name: "orders"},
		Endpoint: delivery.Name{Namespace: "team-a", Name: "billing"}, AcceptedAt: time.Now(), Event: addition(e.AppendRecord(nil)),
	}
	s.down()
	s.up()
	if _, err := s.log.StoreWaiting(placeOf(waits), addition(waits.Append(nil))).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.log.AppendFlush(t.Context(), shard, 0, addition(wire.AppendVersion(nil, 1))); err != nil {
		t.Fatal(err)
	}
	s.crash()
	s.up()
	s.one(r)
	if _, err := s.log.Append(t.Context(), "team-a", [][]byte{addition(e.AppendRecord(nil))}); err != nil {
		t.Fatal(err)
	}
	s.eventually("both arrived", func() bool { _, total := r.distinct(); return total == 2 })
}

func TestFormat_RefusesAnUnknownVersion(t *testing.T) {
	unknown := wire.AppendUint(wire.AppendVersion(nil, 2), 2, 1)
	t.Run("of an event", func(t *testing.T) {
		s := start(t, nil)
		s.one(newReceiver(t, nil))
		if _, err := s.log.Append(t.Context(), "team-a", [][]byte{unknown}); err != nil {
			t.Fatal(err)
		}
		s.eventually("the dispatcher says so", func() bool {
			err := s.d.Ready()
			return err != nil && strings.Contains(err.Error(), "event 1") && strings.Contains(err.Error(), "version 2")
		})
	})
	t.Run("of a flush", func(t *testing.T) {
		s := start(t, nil)
		if _, err := s.log.AppendFlush(t.Context(), shard, 0, unknown); err != nil {
			t.Fatal(err)
		}
		d, err := New(Options{Log: s.log, Sender: s.client, Reporter: s.reports})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "unknown version: 2, this build reads 1") {
			t.Errorf("start: %v, want a word on the version", err)
		}
	})
	t.Run("of a waiting delivery, which stays", func(t *testing.T) {
		s := start(t, nil)
		place := placeOf(&delivery.Stored{Subscription: delivery.Name{Namespace: "a", Name: "s"}, Endpoint: delivery.Name{Namespace: "a", Name: "e"}})
		seq, err := s.log.StoreWaiting(place, unknown).Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.crash()
		s.up()
		s.eventually("the waiting deliveries are read", func() bool { return s.d.Account().Complete })
		if m, err := s.log.Waiting(t.Context(), seq); err != nil || !bytes.Equal(m.Data, unknown) {
			t.Errorf("it is %q now (%v)", m.Data, err)
		}
	})
}

// pack writes a directory to an archive.
func pack(dir, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	compressed := gzip.NewWriter(file)
	archive := tar.NewWriter(compressed)
	if err := archive.AddFS(os.DirFS(dir)); err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return compressed.Close()
}

// unpack makes a directory from an archive that pack wrote.
func unpack(path, dir string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	compressed, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	archive := tar.NewReader(compressed)
	for {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(head.Name))
		if head.Typeflag == tar.TypeDir {
			err = os.MkdirAll(to, 0o700)
		} else {
			err = write(to, archive)
		}
		if err != nil {
			return err
		}
	}
}

// write makes a file.
func write(path string, from io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	content, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}
