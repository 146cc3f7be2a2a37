// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// cut has streams of a dispatcher that is not running lose what they stored since keep was called, as a loss of power does
// to streams that were synced before the others. A stream that keep never saw loses everything.
func (s *system) cut(kept string, streams ...string) {
	s.t.Helper()
	for _, stream := range streams {
		dir := filepath.Join(s.dir, "jetstream", "$G", "streams", "posthorn_"+stream)
		if err := os.RemoveAll(dir); err != nil {
			s.t.Fatal(err)
		}
		if kept == "" {
			continue
		}
		if err := os.CopyFS(dir, os.DirFS(filepath.Join(kept, "jetstream", "$G", "streams", "posthorn_"+stream))); err != nil {
			s.t.Fatal(err)
		}
	}
}

// keep copies the data directory of a dispatcher that is not running.
func (s *system) keep() string {
	s.t.Helper()
	kept := s.t.TempDir()
	if err := os.CopyFS(kept, os.DirFS(s.dir)); err != nil {
		s.t.Fatal(err)
	}
	return kept
}

func TestRecover_AttemptsThatOutlivedTheEvents(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	s.one(r)
	s.send("team-a", 5)
	s.eventually("all is recorded", func() bool { return s.d.Account().Delivered == 5 })
	s.crash()
	s.cut("", "events")
	s.up()
	s.send("team-a", 3)
	s.eventually("what is accepted afterwards arrives", r.got(8))
	if _, total := r.distinct(); total != 8 {
		t.Errorf("%d requests, want 8", total)
	}
}

func TestRecover_SubscriptionThatOutlivedTheEvents(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, nil)
	s.send("team-a", 5)
	s.one(r)
	s.crash()
	s.cut("", "events", "attempts")
	s.up()
	s.send("team-a", 3)
	s.eventually("what is accepted afterwards arrives", r.got(3))
}

// failing starts a dispatcher whose one delivery failed once, and keeps that. The delivery fails once more then.
func failing(t *testing.T, r *receiver, giveUp bool) (s *system, kept string) {
	t.Helper()
	s = start(t, nil)
	e := s.endpoint("team-a", "billing", r.URL, nil)
	s.endpoints = []*delivery.Endpoint{e}
	s.subs = []*delivery.Subscription{s.subscription("team-a", "orders", e.Name, func(x *delivery.Subscription) {
		x.Retry.Delays = []time.Duration{time.Second, time.Hour, time.Hour}
		if giveUp {
			x.Retry.Delays = x.Retry.Delays[:1]
		}
	})}
	s.load()
	s.send("team-a", 1)
	s.eventually("the first attempt is recorded", func() bool { return s.d.Account().Stored == 1 })
	s.crash()
	kept = s.keep()
	s.up()
	s.eventually("the second attempt is recorded", func() bool {
		_, total := r.distinct()
		a := s.d.Account()
		return total == 2 && a.Memory == 0 && a.Stored+a.DeadLettered == 1
	})
	s.crash()
	return s, kept
}

func TestRecover_AttemptsThatOutlivedTheWaitingDeliveries(t *testing.T) {
	r := newReceiver(t, answerStatus(http.StatusInternalServerError))
	s, kept := failing(t, r, false)
	s.cut(kept, "waiting")
	r.set(nil)
	s.up()
	s.eventually("it is delivered after all", func() bool { return s.d.Account().Delivered == 1 })
	s.crash()
	s.up()
	s.eventually("it stays so", func() bool { a := s.d.Account(); return a.Complete && a.Delivered == 1 && a.Stored == 0 })
}

func TestRecover_AttemptsThatOutlivedTheDeadLetters(t *testing.T) {
	r := newReceiver(t, answerStatus(http.StatusInternalServerError))
	s, kept := failing(t, r, true)
	s.cut(kept, "waiting", "deadletters")
	r.set(nil)
	s.up()
	s.eventually("it is delivered after all", func() bool { return s.d.Account().Delivered == 1 })
}
