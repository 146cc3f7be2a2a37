// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"net/http"
	"testing"
	"time"

	"github.com/posthorn-dev/posthorn/internal/delivery"
)

func TestRecover_FirstAttemptsOfAVolumeThatOutlivedWhatTheyStored(t *testing.T) {
	tests := map[string]struct {
		answer int
		lost   string
		ended  func(Account) bool
	}{
		"a waiting delivery": {http.StatusInternalServerError, "waiting", func(a Account) bool { return a.Stored == 1 && a.Memory == 0 }},
		"a dead letter":      {http.StatusUnprocessableEntity, "deadletters", func(a Account) bool { return a.DeadLettered == 1 }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, answerStatus(tc.answer))
			s := start(t, nil)
			s.one(r)
			s.changeSubscription(func(x *delivery.Subscription) {
				x.Retry.Delays, x.Retry.GiveUpOn = []time.Duration{time.Hour, time.Hour}, []int{http.StatusUnprocessableEntity}
			})
			s.send("team-a", 1)
			s.eventually("the attempt is recorded", func() bool { return tc.ended(s.d.Account()) })
			s.crash()
			s.cut("", tc.lost)
			r.set(nil)
			s.up()
			s.delivered(1)
			s.send("team-a", 1)
			s.delivered(2)
			s.crash()
			s.up()
			s.eventually("it stays so", func() bool {
				a := s.d.Account()
				return a.Complete && a.Matched == 2 && a.Delivered == 2 && a.DeadLettered+a.Stored+a.Memory == 0
			})
			if _, total := r.distinct(); total != 3 {
				t.Errorf("%d requests, want one that failed, and one for each event", total)
			}
		})
	}
}

func TestRecover_WithoutAFlushHasTheNextRestartReadAll(t *testing.T) {
	s := start(t, nil)
	s.down()
	s.openLog(func() {
		s.recovered(func(d *Dispatcher, c *checkpoint) {
			d.madeUp = 1
			if f, _ := d.compose(c, []*op{{}}); f.ScanFrom != 1 {
				t.Errorf("a restart would read from flush %d on, want all until what is obsolete is removed", f.ScanFrom)
			}
		})
	})
}
