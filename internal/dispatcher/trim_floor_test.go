// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"testing"
	"time"
)

func TestTrim_RemovesNoEventAboveTheFloor(t *testing.T) {
	for name, keep := range map[string]Keep{
		"by their size": {MaxBytes: 1},
		"by their age":  {Age: time.Nanosecond},
	} {
		t.Run(name, func(t *testing.T) {
			const settled, waiting = 20, 30
			r := newReceiver(t, nil)
			s := start(t, func(o *Options) { o.KeepEvents = keep })
			s.one(r)
			s.send("team-a", settled)
			s.delivered(settled)
			s.eventually("they are settled", s.settled)
			endpoints, subs := s.endpoints, s.subs
			s.down()
			s.endpoints, s.subs = nil, nil
			s.up() // without a routing table, so that nothing more is settled
			s.send("team-a", waiting)
			if err := s.d.trim(time.Now().Add(time.Second), true); err != nil {
				t.Fatal(err)
			}
			if first, err := s.log.FirstEvent(t.Context()); err != nil || first != settled+1 {
				t.Errorf("the first event is %d (%v), want %d: the settled ones are trimmed, and no other", first, err, settled+1)
			}
			s.down() // what was read ahead goes
			s.endpoints, s.subs = endpoints, subs
			s.up()
			s.delivered(settled + waiting)
			if distinct, _ := r.distinct(); distinct != settled+waiting {
				t.Errorf("%d deliveries arrived, want %d", distinct, settled+waiting)
			}
		})
	}
}

func TestTrim_BoundsTheAttemptLogBySize(t *testing.T) {
	for name, tc := range map[string]struct {
		keep     Keep
		wantGone bool
	}{
		"with a bound":    {Keep{MaxBytes: 4 << 10}, true},
		"without a bound": {Keep{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			const n = 50
			s := start(t, func(o *Options) { o.KeepAttempts = tc.keep })
			s.one(newReceiver(t, nil))
			for i := range n { // a flush each
				s.send("team-a", 1)
				s.delivered(int64(i + 1))
			}
			s.down() // from here on no restart needs more than the last flush
			s.up()
			before, err := s.log.AttemptBytes(t.Context())
			if err != nil || before < 4<<10 {
				t.Fatalf("the attempt log has %d bytes (%v), want more than its bound", before, err)
			}
			s.eventually("all are known", func() bool { return s.d.Account().Complete })
			if err := s.d.trim(time.Now(), false); err != nil {
				t.Fatal(err)
			}
			after, err := s.log.AttemptBytes(t.Context())
			if err != nil || after <= 0 || (after <= 4<<10) != tc.wantGone || (after < before) != tc.wantGone {
				t.Errorf("the attempt log has %d bytes of %d (%v) with %+v", after, before, err, tc.keep)
			}
			s.crash()
			s.up()
			s.send("team-a", 1)
			s.delivered(n + 1)
		})
	}
}
