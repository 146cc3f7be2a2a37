// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthorn-dev/posthorn/internal/delivery"
	"github.com/posthorn-dev/posthorn/internal/routing"
)

func TestDefaults_AreThoseOfTheDocumentation(t *testing.T) {
	s := start(t, nil)
	o := s.d.opts
	const week = 7 * 24 * time.Hour
	type defaults struct {
		Hold, MaxUnsettled, StopTimeout time.Duration
		KeepEvents, KeepAttempts        Keep
		Share                           int64
	}
	want := defaults{10 * time.Minute, 5 * time.Second, 65 * time.Second, Keep{Age: week}, Keep{Age: week}, s.log.MaxBytes() / 4}
	got := defaults{o.Hold, o.MaxUnsettled, o.StopTimeout, o.KeepEvents, o.KeepAttempts, o.Share("team-a")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDefaults_HoldForTenMinutes(t *testing.T) {
	const hold = 10 * time.Minute
	s := start(t, nil)
	s.one(newReceiver(t, nil))
	s.changeEndpoint(func(e *delivery.Endpoint) { e.Suspended = true })
	s.send("team-a", 1)
	s.stored(1)
	s.loadUpdate(routing.Update{Table: routing.NewTable(nil, nil)})
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	l, x := s.d.lanes[s.endpoints[0].Name], s.d.subs[s.subs[0].Name]
	tests := map[string]struct {
		lane *lane
		want delivery.DeadLetterReason
		gone time.Time
	}{
		"an endpoint":    {l, delivery.DeadEndpointDeleted, l.gone},
		"a subscription": {&lane{}, delivery.DeadSubscriptionDeleted, x.gone},
	}
	for name, tc := range tests {
		w := waiting{sub: x, accepted: uint32(tc.gone.Unix())}
		if got := s.d.reasonToEnd(tc.lane, w, tc.gone.Add(hold-time.Nanosecond)); got != "" {
			t.Errorf("%s: the delivery ends as %s within the hold", name, got)
		}
		if got := s.d.reasonToEnd(tc.lane, w, tc.gone.Add(hold)); got != tc.want {
			t.Errorf("%s: the delivery ends as %q behind the hold, want %s", name, got, tc.want)
		}
	}
}
