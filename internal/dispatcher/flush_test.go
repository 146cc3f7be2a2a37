// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/deliverylog"
	"github.com/posthorn-dev/posthorn/internal/eventlog"
	"github.com/posthorn-dev/posthorn/internal/routing"
)

func TestFlush_IsKnownWhenItsAcknowledgementWasLost(t *testing.T) {
	mine := func() *deliverylog.Flush {
		return &deliverylog.Flush{Floor: 7, Records: []delivery.Record{{EventSeq: 8, Attempt: 1, Duration: time.Second}}}
	}
	others := mine()
	others.Records[0].Duration = time.Minute
	tests := map[string]struct {
		stored *deliverylog.Flush
		cause  error
		want   error
		fenced bool
	}{
		"it is stored":                      {stored: mine(), cause: eventlog.ErrFenced},
		"another owner stored one like it":  {stored: others, cause: eventlog.ErrFenced, want: eventlog.ErrFenced, fenced: true},
		"the log did not answer":            {stored: mine(), cause: eventlog.ErrUnavailable, want: eventlog.ErrUnavailable},
		"there is none but the shard's old": {cause: eventlog.ErrFenced, want: eventlog.ErrFenced, fenced: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := start(t, nil)
			before, err := s.d.attempts.Append(t.Context(), shard, 0, mine())
			if err != nil {
				t.Fatal(err)
			}
			last := before
			if tc.stored != nil {
				if last, err = s.d.attempts.Append(t.Context(), shard, before, tc.stored); err != nil {
					t.Fatal(err)
				}
			}
			c := &checkpoint{seq: before}
			err = s.d.wasStored(t.Context(), c, mine(), tc.cause)
			if !errors.Is(err, tc.want) {
				t.Errorf("error %v, want %v", err, tc.want)
			}
			var permanent *backoff.PermanentError
			if errors.As(err, &permanent) != tc.fenced {
				t.Errorf("error %v, want one that ends the tries: %v", err, tc.fenced)
			}
			if tc.want == nil && c.seq != last {
				t.Errorf("the checkpoint is at flush %d, want %d", c.seq, last)
			}
		})
	}
}

func TestGiveBack_OfWhatWasParkedInFlightStoresItOnce(t *testing.T) {
	for name, flushed := range map[string]bool{"while that is with the flusher": false, "when that is recorded": true} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, nil)
			s := start(t, nil)
			s.one(r)
			s.changeEndpoint(func(e *delivery.Endpoint) { e.Concurrency = 0 }) // nobody sends
			s.send("team-a", 1)
			var x *task
			s.eventually("the delivery is queued", func() bool {
				s.d.mu.Lock()
				defer s.d.mu.Unlock()
				l := s.d.lanes[s.endpoints[0].Name]
				if l.queue.len() == 0 {
					return false
				}
				x, _ = l.next(time.Now())
				s.d.start(x)
				s.d.park(x, time.Now()) // as an event that is unsettled for too long
				return true
			})
			if flushed {
				s.eventually("it is stored", func() bool {
					s.d.mu.Lock()
					defer s.d.mu.Unlock()
					return x.waiting.seq != 0
				})
			}
			s.d.giveBack(x, time.Time{})
			s.stored(1)
			s.crash()
			s.up()
			s.stored(1)
			s.changeEndpoint(func(e *delivery.Endpoint) { e.Concurrency = 1 })
			s.delivered(1)
			if _, total := r.distinct(); total != 1 {
				t.Errorf("%d requests, want 1", total)
			}
			s.eventually("nothing is left", func() bool {
				last, err := s.log.LastWaiting(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for seq := range last {
					if _, err := s.log.Waiting(t.Context(), seq+1); !errors.Is(err, eventlog.ErrNotFound) {
						return false
					}
				}
				return true
			})
		})
	}
}

func TestRecover_DropsADeadLetterOnItsWayThatNeverCameToBe(t *testing.T) {
	tests := map[string]struct {
		answer    int
		delivered int64
		forwarded int
	}{
		"the next attempt succeeds": {answer: http.StatusOK, delivered: 1},
		"the next attempt ends it":  {answer: http.StatusUnprocessableEntity, forwarded: 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			hold := make(chan struct{})
			r := newReceiver(t, func(_ http.ResponseWriter, req *http.Request, _ int) {
				select {
				case <-hold:
				case <-req.Context().Done():
				}
			})
			last := newReceiver(t, nil)
			s := start(t, nil)
			s.one(r)
			s.subs[0].Retry.GiveUpOn = []int{http.StatusUnprocessableEntity}
			s.endpoints = append(s.endpoints, s.endpoint("team-a", "dead", last.URL, nil))
			s.changeSubscription(func(x *delivery.Subscription) { x.DeadLetter = &s.endpoints[1].Name })
			s.send("team-a", 1)
			s.eventually("it is in flight", r.got(1))
			// What a crash leaves between the storing of the forwarded dead letter and that of the dead letter.
			m, err := s.log.Event(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			f := forwarded(&delivery.Stored{
				EventSeq: 1, Subscription: s.subs[0].Name, Endpoint: s.endpoints[0].Name, Attempts: 1, AcceptedAt: m.Time,
				DeadLetter: delivery.DeadGaveUp, DeadAt: time.Now(), Event: m.Data,
			}, s.endpoints[1].Name)
			if _, err := s.log.StoreWaiting(placeOf(f), f.Append(nil)).Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.crash()
			close(hold)
			r.set(answerStatus(tc.answer))
			s.up()
			s.eventually("it ended", func() bool {
				a := s.d.Account()
				return a.Complete && a.Delivered == tc.delivered && a.Delivered+a.DeadLettered == 1 && a.Memory+a.Stored == 0
			})
			s.eventually("nothing waits for the dead-letter endpoint", func() bool {
				s.d.mu.Lock()
				defer s.d.mu.Unlock()
				l := s.d.lanes[s.endpoints[1].Name]
				return l.workers == 0 && len(l.backlog) == 0
			})
			if _, total := last.distinct(); total != tc.forwarded {
				t.Errorf("the dead-letter endpoint got %d requests, want %d", total, tc.forwarded)
			}
		})
	}
}

func TestTrimAttempts_TakesWhatIsOldAndNoRestartNeeds(t *testing.T) {
	r := newReceiver(t, nil)
	s := start(t, func(o *Options) { o.KeepAttempts.Age = time.Nanosecond })
	s.one(r)
	for range 3 {
		s.send("team-a", 10)
		s.delivered(int64(s.accepted))
	}
	s.down()
	s.up() // the figures are stored, and the flushes up to here not needed any more
	_, before, err := s.log.FlushRange(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.send("team-a", 10)
	s.delivered(40)
	s.eventually("the waiting deliveries are read", func() bool { return s.d.Account().Complete })
	if err := s.d.trimAttempts(context.WithoutCancel(t.Context()), time.Now()); err != nil {
		t.Fatal(err)
	}
	first, last, err := s.log.FlushRange(t.Context())
	if err != nil || first < before || last <= before { // and some more, if the figures were stored again meanwhile
		t.Errorf("flushes %d to %d are left (%v), want those from %d: older ones are not needed", first, last, err, before)
	}
	s.crash()
	s.up()
	s.delivered(40)
}

func TestLoad_BesideAStopEnds(t *testing.T) {
	r := newReceiver(t, nil)
	for range 5 {
		s := start(t, nil)
		s.one(r)
		s.send("team-a", 50)
		loaded, e, subs := make(chan struct{}), s.endpoints[0], s.subs
		go func(d *Dispatcher) {
			defer close(loaded)
			for range 50 {
				changed := *e
				changed.Generation++
				e = &changed
				if err := d.Load(t.Context(), routing.Update{Table: routing.NewTable([]*delivery.Endpoint{e}, subs)}); err != nil {
					t.Error(err)
				}
			}
		}(s.d)
		s.eventually("some arrived", func() bool { _, total := r.distinct(); return total > 0 })
		s.d.Stop()
		<-loaded
		s.client.Close()
		s.log.Close()
		s.up()
		s.delivered(50)
		s.down()
	}
}
