// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/egress"
	"github.com/posthorn-dev/posthorn/internal/httpsend"
)

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write is io.Writer's.
func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

// lines are the lines that hold a text.
func (j *journal) lines(text string) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []string
	for line := range strings.Lines(j.text.String()) {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// logger logs everything to the journal, without the time.
func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

// inside resolves every name to an address of the inside.
type inside struct{}

const insideAddress = "10.1.2.3"

// LookupNetIP is httpsend.Resolver's.
func (inside) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr(insideAddress)}, nil
}

func TestVet_TheRefusedAddressIsInTheLogAlone(t *testing.T) {
	logged := &journal{}
	s := start(t, func(o *Options) {
		client := httpsend.New(httpsend.Options{Resolver: inside{}})
		t.Cleanup(client.Close)
		o.Logger, o.Sender = logged.logger(), client
	})
	e := s.endpoint("team-a", "billing", "http://inside.example/hooks", nil)
	s.endpoints = []*delivery.Endpoint{e}
	s.subs = []*delivery.Subscription{s.subscription("team-a", "orders", e.Name, nil)}
	s.load()
	s.send("team-a", 1)
	s.dead(1, delivery.DeadRetriesExhausted)
	s.eventually("the destination is judged", func() bool { return s.reports.endpoint(e.Name).DestinationChecked })
	said := s.reports.endpoint(e.Name).DestinationError.Error()
	if !strings.Contains(said, "inside.example has a private address") || strings.Contains(said, insideAddress) {
		t.Errorf("the status is told %q", said)
	}
	page, err := s.d.attempts.Query(t.Context(), queryOf("team-a"))
	if err != nil || len(page.Items) == 0 {
		t.Fatalf("%d records, error %v", len(page.Items), err)
	}
	for _, r := range page.Items {
		if text := fmt.Sprintf("%+v", r); !strings.Contains(text, "Inside.example") || strings.Contains(text, insideAddress) {
			t.Errorf("the attempt log tells %s", text)
		}
	}
	s.down()
	if holds(t, s.dir, insideAddress) || !holds(t, s.dir, "Inside.example") {
		t.Error("the event log holds the address, or not the message")
	}
	want := []string{"level=WARN msg=\"Refused destination\" endpoint=team-a/billing host=inside.example class=private address=10.1.2.3\n"}
	if diff := cmp.Diff(want, logged.lines(insideAddress)); diff != "" {
		t.Error(diff)
	}
}

// holds reports whether any file in the directory holds the text.
func holds(t *testing.T, dir, text string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		found = found || bytes.Contains(content, []byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// swayed is a sender that judges as it is told.
type swayed struct {
	*httpsend.Client
	refusal atomic.Pointer[egress.Refusal]
}

// Vet is Sender's.
func (s *swayed) Vet(context.Context, *delivery.Endpoint) error {
	if r := s.refusal.Load(); r != nil {
		return r
	}
	return nil
}

// Send is Sender's.
func (s *swayed) Send(context.Context, *delivery.Request) delivery.Response {
	r := delivery.Response{StatusCode: 204}
	if refusal := s.refusal.Load(); refusal != nil {
		r = delivery.Response{Reason: delivery.ReasonBlocked, Message: "Refused.", Refusal: refusal}
	}
	return r
}

func TestVet_LogsOncePerChange(t *testing.T) {
	logged, sender := &journal{}, &swayed{}
	s := start(t, func(o *Options) {
		sender.Client = httpsend.New(httpsend.Options{})
		t.Cleanup(sender.Close)
		o.Logger, o.Sender = logged.logger(), sender
	})
	e := s.endpoint("team-a", "billing", "http://a.example", nil)
	s.endpoints = []*delivery.Endpoint{e}
	s.subs = []*delivery.Subscription{s.subscription("team-a", "orders", e.Name, nil)}
	s.load()
	// From then on it is judged by this test alone, for a minute.
	s.eventually("the destination is judged", func() bool { return s.reports.endpoint(e.Name).DestinationChecked })
	refuse := func(class egress.Class, host, addr string) func() {
		return func() {
			sender.refusal.Store(&egress.Refusal{Class: class, Host: host, Addr: netip.MustParseAddr(addr)})
		}
	}
	admit := func() { sender.refusal.Store(nil) }
	vet := func() { s.d.vet(e) }
	dial := func() {
		s.send("team-a", 1)
		s.dead(1, delivery.DeadRetriesExhausted)
	}
	for _, do := range []func(){
		vet,
		refuse(egress.Private, "a.example", "10.0.0.1"), vet, vet,
		refuse(egress.Private, "a.example", "10.0.0.2"), vet, // the same verdict
		refuse(egress.Metadata, "a.example", "169.254.169.254"), vet,
		refuse(egress.Metadata, "tokens.example", "169.254.169.254"), vet,
		admit, vet, vet,
		refuse(egress.Private, "a.example", "10.0.0.3"), dial, // a name that leads elsewhere when it is dialled
		refuse(egress.Private, "a.example", "10.0.0.4"), vet,
	} {
		do()
	}
	want := []string{
		"level=WARN msg=\"Refused destination\" endpoint=team-a/billing host=a.example class=private address=10.0.0.1\n",
		"level=WARN msg=\"Refused destination\" endpoint=team-a/billing host=a.example class=metadata address=169.254.169.254\n",
		"level=WARN msg=\"Refused destination\" endpoint=team-a/billing host=tokens.example class=metadata address=169.254.169.254\n",
		"level=INFO msg=\"Admitted destination\" endpoint=team-a/billing\n",
		"level=WARN msg=\"Refused destination\" endpoint=team-a/billing host=a.example class=private address=10.0.0.3\n",
	}
	if diff := cmp.Diff(want, logged.lines("destination")); diff != "" {
		t.Error(diff)
	}
}
