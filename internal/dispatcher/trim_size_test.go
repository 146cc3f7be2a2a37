// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"net/http"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/event"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
)

// storage is what the log of these tests may take.
const storage = 4 << 20

// fillStorage has events of 10 KB accepted until the dispatcher takes no more though it has trimmed what it can, or
// n are.
func (s *system) fillStorage(namespace string, n int) (taken int) {
	s.t.Helper()
	for ; taken < n && s.hasRoom(taken); taken++ {
		s.accepted++
		e := &event.Event{Namespace: namespace, ID: time.Now().String(), Source: "/", Type: "com.example.big", Data: make([]byte, 10<<10)}
		record := e.AppendRecord(nil)
		if _, ok := s.d.Admit(namespace, eventlog.EventSize(namespace, len(record))); !ok {
			s.t.Fatal("a namespace may have it all")
		}
		if _, err := s.log.Append(s.t.Context(), namespace, [][]byte{record}); err != nil {
			s.t.Fatal(err)
		}
	}
	return taken
}

// hasRoom says whether events are accepted. It has the dispatcher trim for every tenth event, and when there is no
// room otherwise.
func (s *system) hasRoom(taken int) bool {
	s.t.Helper()
	if taken%10 != 0 && s.d.Accepting() == nil {
		return true
	}
	s.eventually("trimming keeps up", s.settled)
	for range 3 {
		s.eventually("nobody else trims", func() bool {
			free := s.d.replaced.trimming.TryLock()
			if free {
				s.d.replaced.trimming.Unlock()
			}
			return free
		})
		if err := s.d.trim(time.Now(), false); err != nil {
			s.t.Fatal(err)
		}
		if s.d.Accepting() == nil {
			return true
		}
	}
	return false
}

// small gives the log little room, and every namespace all of it.
func small(o *Options) { o.Share = func(string) int64 { return 2 * storage } }

func TestStorage_KeepsRoomForOutcomesWhenFull(t *testing.T) {
	r := newReceiver(t, nil)
	s := &system{t: t, dir: t.TempDir(), options: small, reports: newReports(), maxBytes: storage}
	s.run()
	s.one(r)
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = true })
	taken := s.fillStorage("team-a", 1_000)
	if taken == 1_000 {
		t.Fatal("events are taken without end")
	}
	u, err := s.log.Usage(t.Context())
	if err != nil || u.Total > u.TotalLimit*95/100 {
		t.Errorf("%d of %d bytes are taken (%v), want room for outcomes", u.Total, u.TotalLimit, err)
	}
	if s.trimmed("events", fullStorage) == 0 {
		t.Error("no settled event was trimmed before events were refused")
	}
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = false })
	s.delivered(int64(taken))
	s.eventually("events are taken again", func() bool { return s.d.Accepting() == nil })
}

func TestStorage_TakesNoMoreOfABurstThanThereIsRoomFor(t *testing.T) {
	s := &system{t: t, dir: t.TempDir(), options: small, reports: newReports(), maxBytes: storage}
	s.run() // without a routing table, so that nothing is settled
	record := (&event.Event{Namespace: "team-a", ID: "1", Source: "/", Type: "com.example.big", Data: make([]byte, 10<<10)}).AppendRecord(nil)
	size := eventlog.EventSize("team-a", len(record))
	s.d.mu.Lock() // as if the trim loop had no time to look
	taken := 0
	for !s.d.full {
		taken += size
		s.d.letIn(size)
	}
	s.d.mu.Unlock()
	if room := storage * 9 / 10; taken < room*3/4 || taken > room+size {
		t.Errorf("%d bytes are taken at once, want about %d", taken, room)
	}
	s.d.Return("team-a", taken)
	s.eventually("events are taken again", func() bool { return s.d.Accepting() == nil })
}

func TestStorage_FullOfDeadLettersLosesTheOldest(t *testing.T) {
	r := newReceiver(t, answerStatus(http.StatusUnprocessableEntity))
	s := &system{t: t, dir: t.TempDir(), options: small, reports: newReports(), maxBytes: storage}
	s.run()
	s.one(r)
	s.subs[0].Retry.GiveUpOn = []int{http.StatusUnprocessableEntity}
	s.load()
	const n = 2 * storage / (10 << 10)
	if taken := s.fillStorage("team-a", n); taken != n {
		t.Fatalf("%d events taken, want %d", taken, n)
	}
	s.eventually("all are dead-lettered", func() bool { return s.d.Account().DeadLettered == n })
	_, _, dead := s.held("team-a")
	if gone := s.trimmed("dead_letters", fullStorage); gone == 0 || dead < 50 {
		t.Errorf("%v dead letters trimmed, %d left", gone, dead)
	}
}
